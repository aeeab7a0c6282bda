"""Which of the town hall's notices a household reads today.

Those of the day are kept for half a minute in each process: without any, a page asks nothing for them.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date

from django.db.models import QuerySet

from families.custody import homes
from families.models import Household
from portal.database.kept import KeptAWhile
from portal.reservations.models import Enrolment, Establishment, Notice, Schooling, attended_on


@dataclass(frozen=True)
class Told:
    """A notice as pages show it; without places, for all."""

    title: str
    text: str
    level: str
    places: frozenset[int]

    @property
    def is_important(self) -> bool:
        return self.level == Notice.Level.IMPORTANT


@KeptAWhile
def current(day: date) -> list[Told]:
    """All that are shown on this day, the important ones first; one query."""
    columns = ("pk", "title", "text", "level", "places")
    rows = Notice.objects.shown_on(day).order_by("starts_on", "pk").values_list(*columns)
    found: dict[int, tuple[str, str, str, set[int]]] = {}
    for pk, title, text, level, place in rows:
        one = found.setdefault(pk, (title, text, level, set()))
        if place is not None:
            one[3].add(place)
    told = [Told(title, text, level, frozenset(places)) for title, text, level, places in found.values()]
    return sorted(told, key=lambda one: not one.is_important)


def for_household(household: Household, day: date) -> list[Told]:
    """Those for all, and those of the places that its children go to: one query, where any is of a place."""
    shown = current(day)
    named = frozenset[int]().union(*(one.places for one in shown))
    there = _places(household, day, named) if named else frozenset()
    return [one for one in shown if not one.places or one.places & there]


def _places(household: Household, day: date, among: Collection[int]) -> frozenset[int]:
    """Those of these places (keys) where its children go: their school, where they are enrolled."""
    children = [child.pk for child in homes.children(household, day)]
    if not children:
        return frozenset()
    schools: QuerySet[Schooling] = Schooling.objects.filter(
        attended_on(day), child__in=children, school_class__school__in=among
    )
    enrolled = Enrolment.objects.live().filter(
        child__in=children,
        household=household,
        establishment__in=among,
        school_year__ends_on__gte=day,
    )
    known = Establishment.objects.filter(pk__in=schools.values("school_class__school")) | (
        Establishment.objects.filter(pk__in=enrolled.values("establishment"))
    )
    return frozenset(known.values_list("pk", flat=True))
