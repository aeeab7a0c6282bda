"""Whose day it is, of the children of a page: asked by plannings, the home page and reminders alike.

    days = WhoseDays.load(children, first, last)
    days.is_others(child.pk, household.pk, day)

A child without a calendar costs no query. School holidays are known to an app above, which lends them.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import date
from itertools import groupby
from typing import Any

from django.db.models import F, Min, Q, QuerySet

from families.custody.turns import Span, Turns, apart
from families.models import Child, CustodyCalendar
from portal.database.composed import Composed, GivenMany

# The school holidays of the town that a span of days touches, whole.
Holidays = Callable[[date, date], Iterable[Span]]
_lent: list[Holidays] = []


def lend(holidays: Holidays) -> None:
    """For the app that knows them, once it is ready; told again, the last one counts."""
    _lent[:] = [holidays]


def holidays_between(first: date, last: date) -> list[Span]:
    """Those that touch these days, apart from one another."""
    return apart(span for read in _lent for span in read(first, last))


class WhoseDays:
    """The calendars of some children, for days from a first to a last one."""

    def __init__(
        self, turns: dict[int, Turns], until: dict[int, date | None], holidays: Sequence[Span] = ()
    ) -> None:
        self._turns = turns
        # The first day on which the child no longer lives in both homes, by child.
        self._until = until
        self._holidays = holidays

    @classmethod
    def load(cls, children: Iterable[Child], first: date, last: date) -> "WhoseDays":
        """One query where a child has a calendar, one more where its holidays are cut in two."""
        found_of = (child.custody_calendar_id for child in children)
        keys = {key for key in found_of if key is not None}
        if not keys:
            return cls({}, {})
        turns: dict[int, Turns] = {}
        until: dict[int, date | None] = {}
        for child, of_child in groupby(_rows(keys=keys), key=lambda row: row[0]):
            found = list(of_child)
            _, ends, even, odd, weekday, moment, first_half, *_ = found[0]
            dates = tuple((row[7], row[8], row[9]) for row in found if row[7] is not None)
            morning = moment == CustodyCalendar.Moment.MORNING
            turns[child] = Turns(even, odd, weekday, morning, first_half, dates)
            until[child] = ends
        halves = any(one.first_half is not None for one in turns.values())
        return cls(turns, until, holidays_between(first, last) if halves else ())

    def is_others(self, child: int, household: int, day: date) -> bool:
        """Whether the day is the other home's (keys); never where no calendar of this home says so."""
        turns, until = self._turns.get(child), self._until.get(child)
        if turns is None or household not in (turns.even, turns.odd) or (until is not None and day >= until):
            return False
        return turns.home_on(day, self._holidays) != household

    def has(self, child: int, household: int) -> bool:
        """Whether a calendar of this child and home counts."""
        return child in self._turns and household in (self._turns[child].even, self._turns[child].odd)


@Composed
def _rows() -> "QuerySet[CustodyCalendar, tuple[Any, ...]]":
    """Calendars with their dates, a row each: one query."""
    theirs = Q(child__custodies__household=F("even")) | Q(child__custodies__household=F("odd"))
    return (
        CustodyCalendar.objects.filter(pk__among=GivenMany("keys"))
        .annotate(ends=Min("child__custodies__until", filter=theirs))
        .order_by("child", "dates__pk")
        .values_list(
            "child",
            "ends",
            "even",
            "odd",
            "weekday",
            "moment",
            "first_half",
            "dates__starts_on",
            "dates__ends_on",
            "dates__household",
        )
    )
