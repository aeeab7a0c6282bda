"""What the town offers, as one value: the calendar and the catalogue at one moment.

Two of them, before and after, say what changed, and of which booked days nothing is left to stand on: the one
answer for whatever closes a day, on whichever page or in whichever file it was typed.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

from django.apps import apps
from django.core.exceptions import ObjectDoesNotExist
from django.db.models import Model
from django.utils.text import capfirst

from portal.french import moments
from portal.french.sentences import lower_first
from portal.french.weekdays import WeekdayMaskField, names_of
from portal.models import Town
from portal.reservations.days.calendars import Holiday, OpenDays, school_holidays
from portal.reservations.models import (
    Activity,
    Closure,
    Establishment,
    Formula,
    Period,
    PublicHoliday,
    SchoolHoliday,
    SchoolYear,
)

# The columns that say whether a day takes place. Of rows that may come or go, all that there are.
FACTS: dict[type[Model], tuple[str, ...]] = {
    Town: ("zone",),
    SchoolYear: ("name", "starts_on", "ends_on"),
    SchoolHoliday: ("zone", "name", "starts_on", "ends_on"),
    PublicHoliday: ("day", "name"),
    Closure: ("starts_on", "ends_on", "establishment", "activity", "school_class", "why", "label", "opens"),
    Establishment: ("open_weekdays", "active"),
    Activity: ("weekdays", "during", "zones", "active", "establishments"),
    Formula: ("activity", "active"),
    Period: (
        "activity",
        "school_year",
        "code",
        "name",
        "starts_on",
        "ends_on",
        "opens_at",
        "opens_at_non_residents",
        "closes_at",
        "establishments",
    ),
}
# What a family reads where something is offered no longer.
NO_ACTIVITY = "Cette activité n'est plus proposée."
NO_PLACE = "Ce lieu n'accueille plus les enfants."
NO_FORMULA = "Cette formule n'est plus proposée."
NO_PERIOD = "Ce jour n'est plus dans une période ouverte à la réservation."

Facts = dict[str, Any]


class Booked(NamedTuple):
    """What is booked, where and when (keys)."""

    activity: int
    establishment: int
    formula: int
    day: date


class Attends(NamedTuple):
    """The class and the school of a child on a day (keys)."""

    school_class: int | None
    school: int | None


ANYBODY = Attends(None, None)


@dataclass(frozen=True)
class FactChange:
    """A row of which something changed; `before` is None where it is new, `after` where it is gone."""

    model: type[Model]
    pk: int
    name: str
    before: Facts | None
    after: Facts | None

    @property
    def label(self) -> str:
        """« reservations.period »: the model as it is stored."""
        return self.model._meta.label_lower

    @property
    def sentence(self) -> str:
        """« Période « Trimestre 1 » : dernier jour : 18 décembre 2026 → 4 décembre 2026 »."""
        what = f"{self.model._meta.verbose_name} « {self.name} »"
        if self.before is None:
            return f"Ajout : {what}"
        if self.after is None:
            return f"Suppression : {what}"
        return f"{capfirst(what)} : " + " ; ".join(
            f"{lower_first(str(_field(self.model, name).verbose_name))} : "
            f"{self._said(name, self.before[name])} → {self._said(name, self.after[name])}"
            for name in self.columns
        )

    @property
    def columns(self) -> list[str]:
        """Of a row that stays, what is otherwise."""
        if self.before is None or self.after is None:
            return []
        return [name for name in self.before if self.before[name] != self.after[name]]

    def _said(self, name: str, value: Any) -> str:
        field = _field(self.model, name)
        if value is None or value == "" or value == []:
            return "rien"
        if isinstance(value, bool):
            return "oui" if value else "non"
        if isinstance(field, WeekdayMaskField):
            return names_of(value)
        if isinstance(value, date):
            return moments.day(value, year=True)
        if field.is_relation:
            rows = field.related_model._default_manager.filter(
                pk__in=value if isinstance(value, list) else [value]
            )
            return ", ".join(map(str, rows))
        if isinstance(value, list):
            return ", ".join(map(str, value))
        return str(dict(getattr(field, "flatchoices", ())).get(value, value))


def _field(model: type[Model], name: str) -> Any:
    return model._meta.get_field(name)


class Offer:
    """The rows of FACTS at one moment. Asks the database no more once it is read."""

    def __init__(self, rows: Mapping[type[Model], list[Any]], since: date) -> None:
        self.since = since
        self.rows = {model: {row.pk: row for row in found} for model, found in rows.items()}
        self.facts = {
            (model, pk): {name: _value(row, name) for name in FACTS[model]}
            for model, of_model in self.rows.items()
            for pk, row in of_model.items()
        }
        self._public = {row.day: row.name for row in self.rows[PublicHoliday].values()}
        self._holidays = [
            Holiday(row.zone, row.name, row.starts_on, row.ends_on)
            for row in self.rows[SchoolHoliday].values()
        ]
        self._years = [(row.starts_on, row.ends_on) for row in self.rows[SchoolYear].values()]
        towns = list(self.rows[Town].values())
        self._zone = str(towns[0].zone) if towns else str(Town().zone)
        self._calendars: dict[tuple[int, int, int | None, int | None], OpenDays] = {}
        self._off: dict[int, dict[date, str]] = {}
        self._spans: dict[tuple[int, int], list[tuple[date, date]]] = {}

    @classmethod
    def read(cls, since: date) -> "Offer":
        """As the database has it now, for days from `since` on, in eleven queries."""
        found: dict[type[Model], list[Any]] = {}
        for model, names in FACTS.items():
            many = [name for name in names if _field(model, name).many_to_many]
            found[model] = list(model._default_manager.prefetch_related(*many).order_by("pk"))
        return cls(found, since)

    def why_not(self, booked: Booked, of: Attends = ANYBODY) -> str | None:
        """Why nobody can come that day, in a sentence; None while it takes place.

        What is closed or opened for one class or one school counts for who attends it alone.
        """
        activity = self.rows[Activity].get(booked.activity)
        place = self.rows[Establishment].get(booked.establishment)
        formula = self.rows[Formula].get(booked.formula)
        if activity is None or not activity.active:
            return NO_ACTIVITY
        if place is None or not place.active:
            return NO_PLACE
        if formula is None or not formula.active:
            return NO_FORMULA
        why = self._calendar(activity, place, of).why_closed(booked.day)
        if why is not None:
            return f"{capfirst(str(why))}."
        spans = self._covered(activity.pk, place.pk)
        if not any(first <= booked.day <= last for first, last in spans):
            return NO_PERIOD
        return None

    def changes(self, after: "Offer") -> list[FactChange]:
        """What is otherwise in `after`."""
        found = []
        for model, pk in sorted({*self.facts, *after.facts}, key=lambda key: (_rank(key[0]), key[1])):
            old, new = self.facts.get((model, pk)), after.facts.get((model, pk))
            if old != new:
                named = (after if new is not None else self).rows[model][pk]
                found.append(FactChange(model, pk, _name(named), old, new))
        return found

    def lost(self, after: "Offer", booked: Iterable[Booked]) -> dict[Booked, str]:
        """What took place and no longer does, with the reason."""
        found = {}
        for one in booked:
            if (reason := after.why_not(one)) is not None and self.why_not(one) is None:
                found[one] = reason
        return found

    def calendar(self, activity: int, place: int) -> OpenDays:
        """Of an activity somewhere (keys), for whoever attends it."""
        return self._calendar(self.rows[Activity][activity], self.rows[Establishment][place], ANYBODY)

    def formulas_of(self, activity: int) -> list[int]:
        """The keys of an activity's formulas, offered or not."""
        return [pk for pk, row in self.rows[Formula].items() if row.activity_id == activity]

    def _calendar(self, activity: Activity, place: Establishment, of: Attends) -> OpenDays:
        key = activity.pk, place.pk, *of
        if key not in self._calendars:
            if activity.pk not in self._off:
                self._off[activity.pk] = school_holidays(
                    self._holidays, activity, self._zone, since=self.since, last=date.max
                )
            self._calendars[key] = OpenDays(
                activity=activity,
                establishment=place,
                public_holidays=self._public,
                school_holidays=self._off[activity.pk],
                school_years=self._years,
                closures=[
                    row
                    for row in self.rows[Closure].values()
                    if row.school_class_id in (None, of.school_class)
                    and row.activity_id in (None, activity.pk)
                    and row.establishment_id in (None, place.pk, of.school)
                    and row.ends_on >= self.since
                ],
            )
        return self._calendars[key]

    def _covered(self, activity: int, place: int) -> list[tuple[date, date]]:
        key = activity, place
        if key not in self._spans:
            own = self.facts[Activity, activity]["establishments"]
            self._spans[key] = [
                (row.starts_on, row.ends_on)
                for pk, row in self.rows[Period].items()
                if row.activity_id == activity and place in (self.facts[Period, pk]["establishments"] or own)
            ]
        return self._spans[key]


def model_of(label: str) -> type[Model]:
    """The model of a stored change. Raises LookupError for one whose facts are not kept."""
    model = apps.get_model(label)
    if model not in FACTS:
        raise LookupError(label)
    return model


def _rank(model: type[Model]) -> int:
    return list(FACTS).index(model)


def _value(row: Any, name: str) -> Any:
    field = _field(type(row), name)
    if field.many_to_many:
        return sorted(other.pk for other in getattr(row, name).all())
    return getattr(row, field.attname)


def _name(row: Any) -> str:
    try:
        return str(row)
    except ObjectDoesNotExist:  # what it names went with it
        return str(row.pk)
