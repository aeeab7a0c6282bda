"""What somebody closed at the places that children go to: strikes, works, trips; not holidays."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import NamedTuple

from django.db.models import Q

from portal.reservations.days.calendars import OpenDays, days_between
from portal.reservations.models import Closure


class Attended(NamedTuple):
    """An activity that a child goes to somewhere, and the class it attends (keys), from a day to a day: none
    given, always."""

    activity_id: int
    establishment_id: int
    school_class_id: int | None
    since: date | None = None
    until: date | None = None


@dataclass(frozen=True)
class Closed:
    """Days in a row on which a closure stands, from `first` to `last`."""

    closure: Closure
    first: date
    last: date


def at_places(attended: Iterable[Attended], first: date, last: date) -> list[Closed]:
    """What is closed from `first` to `last` of what is attended, in order of days; in one query.

    Each closure's days in a row once, for however many children, without those on which an exceptional
    opening written later counts for all of them.
    """
    asked = sorted(set(attended), key=lambda one: (one.activity_id, one.establishment_id))
    if not asked:
        return []
    rows = list(
        Closure.objects.filter(
            Q(establishment=None) | Q(establishment__in={one.establishment_id for one in asked}),
            Q(activity=None) | Q(activity__in={one.activity_id for one in asked}),
            Q(school_class=None) | Q(school_class__in={one.school_class_id for one in asked} - {None}),
            ends_on__gte=first,
            starts_on__lte=last,
        )
        .select_related("establishment", "activity")
        .order_by("pk")
    )
    closed: dict[Closure, set[date]] = {}
    for one in asked:
        calendar = OpenDays(
            activity=None,
            establishment=None,
            public_holidays={},
            school_holidays={},
            school_years=[],
            closures=[row for row in rows if _concerns(row, one)],
        )
        for day in days_between(max(first, one.since or first), min(last, one.until or last)):
            closure = calendar.closure(day)
            if closure is not None:
                closed.setdefault(closure, set()).add(day)
    found = [Closed(closure, *run) for closure, days in closed.items() for run in _runs(sorted(days))]
    return sorted(found, key=lambda each: (each.first, each.closure.pk))


def _concerns(row: Closure, one: Attended) -> bool:
    return (
        row.establishment_id in (None, one.establishment_id)
        and row.activity_id in (None, one.activity_id)
        and row.school_class_id in (None, one.school_class_id)
    )


def _runs(days: list[date]) -> list[tuple[date, date]]:
    runs: list[tuple[date, date]] = []
    for day in days:
        if runs and day - runs[-1][1] == timedelta(days=1):
            runs[-1] = (runs[-1][0], day)
        else:
            runs.append((day, day))
    return runs
