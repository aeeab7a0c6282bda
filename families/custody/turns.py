"""Whose day is it? Pure: even and odd weeks, halves of holidays, dates by hand. Homes are keys, no clock.

A week begins where the child changes home: « semaines paires, le vendredi soir » is from the Friday evening
of an even ISO week to the next Friday evening, as judgments say it. A day belongs to the home in which the
child is at noon, so that the Friday of an evening's change is still the former home's, and the Monday of a
morning's already the next one's. After a year of 53 weeks two odd weeks follow each other: both are the same
home's.

Holidays of a week at least are cut in two; of an odd number of days, the one in the middle goes with the
first half. Who has it in even years (of their first day) has the second half in odd ones. What is shorter, a
bridge, follows the weeks. Dates by hand come before all of it; of two that overlap, the first written counts.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

A_DAY = timedelta(days=1)
# What is cut in two, in days.
SHORTEST_HOLIDAYS = 7

Span = tuple[date, date]


@dataclass(frozen=True)
class Turns:
    """The calendar of a child. `weekday` 0 is Monday; `first_half` begins the holidays of even years,
    None where they follow the weeks; `dates` are (first day, last day, home)."""

    even: int
    odd: int
    weekday: int
    morning: bool = False
    first_half: int | None = None
    dates: tuple[tuple[date, date, int], ...] = ()

    def home_on(self, day: date, holidays: Iterable[Span] = ()) -> int:
        """The home whose day it is. `holidays` are first and last days, none of which overlap."""
        for first, last, home in self.dates:
            if first <= day <= last:
                return home
        if self.first_half is not None:
            for first, last in holidays:
                if first <= day <= last and (last - first).days + 1 >= SHORTEST_HOLIDAYS:
                    return self._of_holidays(day, first, last)
        return self.even if self._changed_on(day).isocalendar().week % 2 == 0 else self.odd

    def other(self, home: int) -> int:
        return self.odd if home == self.even else self.even

    def _changed_on(self, day: date) -> date:
        """The last day of change before the noon of `day`."""
        since = (day.weekday() - self.weekday) % 7
        if since == 0 and not self.morning:
            since = 7
        return day - timedelta(days=since)

    def _of_holidays(self, day: date, first: date, last: date) -> int:
        if self.first_half is None:
            raise ValueError("these holidays are not cut in two")
        begins = self.first_half if first.year % 2 == 0 else self.other(self.first_half)
        days = (last - first).days + 1
        in_first_half = (day - first).days < (days + 1) // 2
        return begins if in_first_half else self.other(begins)

    def spells(self, first: date, last: date, holidays: Sequence[Span] = ()) -> list[tuple[date, date, int]]:
        """The days from `first` to `last` as (first day, last day, home), each spell as long as can be."""
        found: list[tuple[date, date, int]] = []
        day = first
        while day <= last:
            home = self.home_on(day, holidays)
            if found and found[-1][2] == home:
                found[-1] = (found[-1][0], day, home)
            else:
                found.append((day, day, home))
            day += A_DAY
        return found


def apart(spans: Iterable[Span]) -> list[Span]:
    """Spans that overlap or touch, as one; in order."""
    found: list[Span] = []
    for first, last in sorted(spans):
        if found and first <= found[-1][1] + A_DAY:
            found[-1] = (found[-1][0], max(found[-1][1], last))
        else:
            found.append((first, last))
    return found
