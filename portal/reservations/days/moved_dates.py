"""Dates of a school year, moved to the next one along the calendar: what goes with its holidays follows them
to where they are then, all else comes 52 weeks later, on the same weekday. Pure."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.utils import timezone

from portal.french.spelling import bare
from portal.reservations.days.calendars import Holiday

A_DAY = timedelta(days=1)
YEAR_OF_WEEKS = timedelta(weeks=52)
# Days so near to an end of holidays, or of the year, belong to it: « the week after the holidays ».
NEAR = timedelta(days=7)
# Holidays of a year begin before the next one does, but for a summer told by its first day.
LONGEST_YEAR = timedelta(days=371)


@dataclass(frozen=True)
class Span:
    """From the first to the last day of something."""

    first: date
    last: date


def same_weekday(day: date, like: date) -> date:
    """The day nearest to `day` that falls on the weekday of `like`."""
    ahead = (like.weekday() - day.weekday()) % 7
    return day + timedelta(days=ahead if ahead <= 3 else ahead - 7)


class MovedDates:
    """Where days of a year go in the next; `holidays` are those of one zone, of both years and around."""

    def __init__(self, before: Span, year: Span, holidays: Iterable[Holiday]) -> None:
        self.before, self.year = before, year
        until = year.first + LONGEST_YEAR
        known = sorted(holidays, key=lambda one: one.first)
        then: dict[str, Holiday] = {}
        for one in known:
            if year.first <= one.first < until:
                then.setdefault(bare(one.name), one)
        # With their double a year later; None where the calendar does not tell it yet.
        self._pairs = [
            (one, then.get(bare(one.name))) for one in known if before.first <= one.first < year.first
        ]
        self.calendar_is_known = bool(then)
        self._exact = {before.first: year.first, before.last: year.last}
        for one, double in self._pairs:
            if double is not None:
                self._exact |= {
                    one.first: double.first,
                    one.last: double.last,
                    one.first - A_DAY: double.first - A_DAY,
                    one.last + A_DAY: double.last + A_DAY,
                }
        # The year's own ends say more than what happens to lie beside them.
        self._exact |= {before.first: year.first, before.last: year.last}

    def unknown(self, day: date) -> str:
        """The holidays that a day lies in and that the next calendar does not tell; nothing else."""
        for one, double in self._pairs:
            if one.first <= day <= one.last and double is None:
                return one.name
        return ""

    def day(self, day: date) -> date:
        if day in self._exact:
            return self._exact[day]
        for was, then in self._pairs:
            if then is not None and was.first <= day <= was.last:
                from_end = was.last - day < day - was.first
                moved = then.last - (was.last - day) if from_end else then.first + (day - was.first)
                return min(max(same_weekday(moved, day), then.first), then.last)
        near = min(self._exact, key=lambda one: abs(one - day))
        if abs(near - day) <= NEAR:
            return same_weekday(self._exact[near] + (day - near), day)
        return day + YEAR_OF_WEEKS

    def span(self, first: date, last: date) -> Span:
        """Both ends; never the wrong way round."""
        moved = self.day(first), self.day(last)
        return Span(moved[0], max(moved))


def moment_beside(at: datetime, day: date, moved: date) -> datetime:
    """An aware moment that is told for a day, where that day has moved: as far from it, on the same weekday
    and at the same hour of the clock."""
    local = timezone.localtime(at)
    then = same_weekday(local.date() + (moved - day), local.date())
    return datetime.combine(then, local.time(), tzinfo=timezone.get_current_timezone())


_YEAR = re.compile(r"(?<!\d)20\d\d(?!\d)")
_SHORT = re.compile(r"(?<!\d)(\d\d)([-/])(\d\d)(?!\d)")


def renamed(text: str, begun: int, years: int = 1) -> str:
    """« Toussaint 2026 » is « Toussaint 2027 » a year later, « 2026-2027 » « 2027-2028 », « 26/27 » « 27/28 »
    where the year began in 2026."""

    def short(found: re.Match[str]) -> str:
        first, last = int(found[1]), int(found[3])
        if (first, last) != (begun % 100, (begun + 1) % 100):
            return found[0]
        return f"{(first + years) % 100:02d}{found[2]}{(last + years) % 100:02d}"

    return _YEAR.sub(lambda found: str(int(found[0]) + years), _SHORT.sub(short, text))
