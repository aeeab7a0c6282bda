"""When acting on a day is on time: (rule, target day, calendar) → limits. Pure: no database, no clock.

Every moment in or out is an aware datetime. A limit never lies after the end of the target day itself.
« n hours before » counts hours of the clock on the wall: 72 hours before 8 am is 8 am, even when summer time
ends in between.
"""

import calendar as gregorian
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from enum import Enum
from typing import NamedTuple

from portal.reservations.deadlines.rules import (
    END_OF_DAY,
    LAST_MINUTE,
    ONE_DAY,
    WORKING_DAYS,
    Audience,
    Calendar,
    ClearDays,
    CountedDays,
    DaysBefore,
    HoursBefore,
    MonthDay,
    Never,
    Rule,
    SameDay,
    WeekBefore,
    WeekdayTable,
    Windows,
    first_said,
)

HOURS_CLOCKS_CHANGE = 4  # only before 4 am
# Longer than any school holiday: beyond it the calendar knows nothing, and plain working days are counted.
FARTHEST = 120


# Limits ------------------------------------------------------------------------------------------------


class Timing(Enum):
    EARLY = "early"
    ON_TIME = "on_time"
    LATE = "late"
    NEVER = "never"


class Limits(NamedTuple):
    """From when to when acting is on time. `closes` is always set unless `never`."""

    opens: datetime | None = None
    closes: datetime | None = None
    inclusive: bool = True
    never: bool = False
    # What follows a gap, when several windows cover the same days.
    then: "Limits | None" = None

    def timing(self, at: datetime) -> Timing:
        """Where the aware moment `at` stands."""
        at = at.astimezone(UTC)
        current = self.current(at)
        if current.never or current.closes is None:
            return Timing.NEVER
        if current.opens is not None and at < current.opens:
            return Timing.EARLY
        return Timing.LATE if current.is_over(at) else Timing.ON_TIME

    def is_over(self, at: datetime) -> bool:
        """Whether these limits, without what follows, have passed at the aware moment `at`."""
        if self.closes is None:
            return self.never
        # In UTC: two moments of one zone are compared by the hands of the clock, twice the same in October.
        at = at.astimezone(UTC)
        return at > self.closes if self.inclusive else at >= self.closes

    def current(self, at: datetime) -> "Limits":
        """The window that counts at `at`: the one open or next to open, else the last."""
        limits = self
        while limits.then is not None and limits.is_over(at):
            limits = limits.then
        return limits


NEVER = Limits(never=True)


def limits(
    rule: Rule,
    day: date,
    calendar: Calendar,
    *,
    resident: bool = True,
    publics: Sequence[int] = (),
    period_start: date | None = None,
) -> Limits:
    """When acting on `day` is on time under `rule`.

    `resident`: whether the family lives in the town, for windows; `publics`: the town's own audiences that it
    is of, the one that counts first first. `period_start`: first day of the period
    booked, for clear days. Raises nothing.
    """
    if isinstance(rule, Never):
        return NEVER
    if isinstance(rule, Windows):
        return _window_limits(rule, day, calendar, resident, publics)
    if isinstance(rule, HoursBefore):
        closes = _localized(_hours_before(rule, day, calendar), calendar.timezone)
    else:
        found = _limit_day(rule, day, calendar, period_start)
        if found is None:
            return NEVER
        limit_day, at = found
        closes = _closing(limit_day, at, calendar.timezone) if limit_day <= day else end_of(day, calendar)
    return Limits(closes=closes, inclusive=rule.inclusive or closes.time() == END_OF_DAY)


def cutoff(
    rule: Rule,
    day: date,
    calendar: Calendar,
    *,
    resident: bool = True,
    publics: Sequence[int] = (),
    period_start: date | None = None,
) -> datetime | None:
    """Last moment (aware) to act on `day`; None when never. Raises nothing."""
    found = limits(rule, day, calendar, resident=resident, publics=publics, period_start=period_start)
    while found.then is not None:
        found = found.then
    return found.closes


def end_of(day: date, calendar: Calendar) -> datetime:
    """The last moment of `day`."""
    return datetime.combine(day, END_OF_DAY, calendar.timezone)


def _closing(day: date, at: time | None, zone: tzinfo) -> datetime:
    if at is None or at >= LAST_MINUTE:
        return datetime.combine(day, END_OF_DAY, zone)
    if at.hour >= HOURS_CLOCKS_CHANGE:
        return datetime.combine(day, at, zone)
    return _localized(datetime.combine(day, at), zone)


def _localized(moment: datetime, zone: tzinfo) -> datetime:
    """The naive local `moment` as an aware one; in March, an hour the clock jumps over is the next one."""
    aware = moment.replace(tzinfo=zone)
    if moment.hour < HOURS_CLOCKS_CHANGE:
        return aware.astimezone(UTC).astimezone(zone)
    return aware


def _limit_day(
    rule: DaysBefore | WeekBefore | WeekdayTable | SameDay | MonthDay | ClearDays,
    day: date,
    calendar: Calendar,
    period_start: date | None,
) -> tuple[date, time | None] | None:
    match rule:
        case DaysBefore():  # by far the most frequent
            return _days_before(rule, day, calendar), rule.at
        case WeekBefore():
            found = day - timedelta(days=day.weekday() - rule.weekday + 7 * rule.weeks)
            return _landing(found, day, rule.counted, rule.from_last_school_day, calendar), rule.at
        case WeekdayTable():
            row = rule.rows.get(day.weekday())
            monday = day - timedelta(days=day.weekday())
            if day.weekday() in rule.holiday_monday and calendar.is_public_holiday(monday):
                row = rule.holiday_monday[day.weekday()]
            if row is None:
                return None
            back = (day.weekday() - row.weekday) % 7 or 7
            found = day - timedelta(days=back + 7 * row.more_weeks)
            return _landing(found, day, rule.counted, rule.from_last_school_day, calendar), row.at
        case SameDay():
            return day, rule.at
        case MonthDay():
            month = day.year * 12 + day.month - 1 - rule.months
            year, month = month // 12, month % 12 + 1
            found = date(year, month, min(rule.day, gregorian.monthrange(year, month)[1]))
            return _landing(found, day, rule.counted, False, calendar), rule.at
        case ClearDays():
            start = min(period_start, day) if period_start else day
            return _count_back(start, rule.number + 1, rule.counted, calendar, None), rule.at


# Walking back ------------------------------------------------------------------------------------------


def _days_before(rule: DaysBefore, day: date, calendar: Calendar) -> date:
    gap = _holidays_before(day, calendar) if rule.from_last_school_day else None
    if gap is None and rule.counted.every_day:
        return day - timedelta(days=rule.number)
    return _count_back(day, rule.number, rule.counted, calendar, gap)


def _count_back(
    start: date, number: int, counted: CountedDays, calendar: Calendar, gap: tuple[date, date] | None
) -> date:
    """The `number`-th counted day before `start`, as if the days strictly inside `gap` did not exist."""
    found, left, walked = start, number, 0
    while left > 0:
        found = _day_before(found, gap)
        walked += 1
        if counted.holds(found, calendar):
            left, walked = left - 1, 0
        elif walked > FARTHEST:
            if counted == WORKING_DAYS:
                return start - timedelta(days=number)
            return _count_back(start, number, WORKING_DAYS, calendar, gap)
    return found


def _day_before(day: date, gap: tuple[date, date] | None) -> date:
    if gap and gap[0] < day <= gap[1]:
        return gap[0]
    return day - ONE_DAY


def _holidays_before(day: date, calendar: Calendar) -> tuple[date, date] | None:
    """(last school day before, first school day after) the holidays met first when walking back from `day`.

    None when the week of `day` and the one before hold no holidays, or when `day` itself is in holidays.
    """
    if calendar.is_school_holiday(day):
        return None
    after = day
    for back in range(1, 15):
        probe = day - timedelta(days=back)
        if calendar.is_school_holiday(probe):
            break
        if calendar.is_school_day(probe):
            after = probe
    else:
        return None
    for back in range(1, FARTHEST):
        before = probe - timedelta(days=back)
        if calendar.is_school_day(before):
            return before, after
    return None


def _landing(
    found: date, day: date, counted: CountedDays, from_last_school_day: bool, calendar: Calendar
) -> date:
    """Where a limit that names a day really falls: in the last school week, and on a day that counts."""
    if from_last_school_day:
        gap = _holidays_before(day, calendar)
        while gap and gap[0] < found < gap[1]:
            found -= timedelta(days=7)
    if counted.every_day:
        return found
    for _ in range(FARTHEST):
        if counted.holds(found, calendar):
            return found
        found -= ONE_DAY
    return found


def _hours_before(rule: HoursBefore, day: date, calendar: Calendar) -> datetime:
    """The naive local moment `rule.number` hours before the reference, over counted days."""
    moment = datetime.combine(day, rule.reference)
    if rule.counted.every_day and not rule.from_last_school_day:
        return moment - timedelta(hours=rule.number)
    gap = _holidays_before(day, calendar) if rule.from_last_school_day else None
    left = timedelta(hours=rule.number)
    midnight = datetime.combine(day, time())
    if left <= moment - midnight:
        return moment - left
    left -= moment - midnight
    whole, rest = divmod(left, ONE_DAY)
    limit_day = _count_back(day, whole + (1 if rest else 0), rule.counted, calendar, gap)
    return datetime.combine(limit_day, time()) + (ONE_DAY - rest if rest else timedelta())


def _window_limits(
    rule: Windows, day: date, calendar: Calendar, resident: bool, publics: Sequence[int]
) -> Limits:
    own = Audience.RESIDENT if resident else Audience.NON_RESIDENT
    covering = [window for window in rule.windows if window.first <= day <= window.last]
    of_town = first_said(publics, {window.public for window in covering})
    shared = [window for window in covering if not window.public]
    mine = [window for window in shared if window.audience is own]
    chosen = mine or [window for window in shared if window.audience is Audience.ALL]
    if of_town is not None:
        chosen = [window for window in covering if window.public == of_town]
    last_moment = end_of(day, calendar)
    zone = calendar.timezone
    result: Limits | None = None
    # From the last to the first, so that each knows what follows it.
    for window in sorted(
        chosen, key=lambda each: (each.closes is None, each.closes or last_moment), reverse=True
    ):
        closes = last_moment
        whole_minute = False
        if window.closes is not None:
            closes = window.closes.astimezone(zone)
            if closes.time() >= LAST_MINUTE:
                closes, whole_minute = datetime.combine(closes.date(), END_OF_DAY, zone), True
            if closes.astimezone(UTC) >= last_moment.astimezone(UTC):
                closes, whole_minute = last_moment, True
        result = Limits(
            opens=window.opens.astimezone(zone) if window.opens else None,
            closes=closes,
            inclusive=rule.inclusive or whole_minute or window.closes is None,
            then=result,
        )
    return result or NEVER
