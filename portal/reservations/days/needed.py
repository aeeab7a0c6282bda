"""Which days open only with so many children and are not sure yet, at a place. Who has no such rule asks
nothing: `wanted` is read with the activity."""

from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db.models import BooleanField, Exists, Expression, ExpressionWrapper, F, OuterRef, Q

from portal.reservations.day_rules import needed
from portal.reservations.models import NeededChildren, Period, SureOpening


def wanted(activity: Expression | F | OuterRef) -> Exists:
    """For a query: whether any day of the activity wants so many children."""
    return Exists(NeededChildren.objects.filter(activity=activity))


@dataclass(frozen=True)
class Unsure:
    """Of one activity: the rule of each place (its key; None of all), and what is sure there."""

    rules: dict[int | None, NeededChildren]
    sure: list[tuple[int, date, date]]

    @classmethod
    def of(cls, activity: int, first: date, last: date) -> "Unsure":
        """Two queries."""
        rows = NeededChildren.objects.filter(activity=activity)
        sure = SureOpening.objects.filter(activity=activity, ends_on__gte=first, starts_on__lte=last)
        return cls(
            {row.establishment_id: row for row in rows},
            list(sure.values_list("establishment_id", "starts_on", "ends_on")),
        )

    def rule(self, place: int) -> NeededChildren | None:
        return self.rules.get(place) or self.rules.get(None)

    def is_sure(self, place: int, day: date) -> bool:
        return any(one == place and first <= day <= last for one, first, last in self.sure)

    def sentence(self, place: int, period: Period, day: date) -> str:
        """Why a day is not sure; nothing where it is."""
        rule = self.rule(place)
        if rule is None or self.is_sure(place, day):
            return ""
        begins = day if rule.a_day else period.starts_on
        return needed.sentence(rule.children, begins, rule.days_before)

    def apart(self, place: int, period: Period, day: date) -> str:
        """The same beside a sentence that names the day."""
        rule = self.rule(place)
        if rule is None or self.is_sure(place, day):
            return ""
        begins = day if rule.a_day else period.starts_on
        return needed.apart(rule.children, begins, rule.days_before, a_day=rule.a_day)


def unsure_booking() -> Any:
    """For a query of bookings: whether the day is not sure yet."""
    place = OuterRef("establishment")
    rules = NeededChildren.objects.filter(
        Q(establishment=None) | Q(establishment=place), activity=OuterRef("activity")
    )
    sure = SureOpening.objects.filter(
        activity=OuterRef("activity"),
        establishment=place,
        starts_on__lte=OuterRef("day"),
        ends_on__gte=OuterRef("day"),
    )
    return ExpressionWrapper(Q(Exists(rules)) & ~Q(Exists(sure)), output_field=BooleanField())
