"""The kinds of deadline rules, and what they ask of a calendar. Pure: no database, no clock.

Days are local days of `Calendar.timezone`. A limit at the last minute of a day (23:59, or no hour at all)
lasts until the day is over. See docs/deadlines.md for one example of each kind.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta, tzinfo
from enum import Enum
from typing import Protocol

ONE_DAY = timedelta(days=1)
LAST_MINUTE = time(23, 59)
END_OF_DAY = time.max
SATURDAY = 5


class Calendar(Protocol):
    """What a rule may ask of the days around its target."""

    @property
    def timezone(self) -> tzinfo: ...

    def is_public_holiday(self, day: date) -> bool: ...

    def is_school_holiday(self, day: date) -> bool: ...

    def is_school_day(self, day: date) -> bool: ...

    def is_establishment_open(self, day: date) -> bool: ...


class DayUnit(Enum):
    """Which days « n days before » counts."""

    CALENDAR = "calendar"
    WORKING = "working"
    OPEN = "open"
    SCHOOL = "school"


@dataclass(frozen=True, slots=True)
class CountedDays:
    """Which days count. A rule that names one day steps back from a day that does not count."""

    unit: DayUnit = DayUnit.CALENDAR
    skip_weekends: bool = False
    skip_public_holidays: bool = False
    skip_weekdays: frozenset[int] = frozenset()

    @property
    def every_day(self) -> bool:
        return self.unit is DayUnit.CALENDAR and not (
            self.skip_weekends or self.skip_public_holidays or self.skip_weekdays
        )

    def holds(self, day: date, calendar: Calendar) -> bool:
        """Whether `day` counts."""
        weekday = day.weekday()
        if weekday in self.skip_weekdays or (self.skip_weekends and weekday >= SATURDAY):
            return False
        if self.skip_public_holidays and calendar.is_public_holiday(day):
            return False
        if self.unit is DayUnit.CALENDAR:
            return True
        if self.unit is DayUnit.WORKING:
            return weekday < SATURDAY and not calendar.is_public_holiday(day)
        if self.unit is DayUnit.OPEN:
            return calendar.is_establishment_open(day)
        return calendar.is_school_day(day)


EVERY_DAY = CountedDays()
WORKING_DAYS = CountedDays(unit=DayUnit.WORKING)


@dataclass(frozen=True, slots=True)
class DaysBefore:
    """`number` counted days before the target day, at `at`."""

    number: int
    at: time | None = None
    counted: CountedDays = EVERY_DAY
    from_last_school_day: bool = False
    inclusive: bool = True


@dataclass(frozen=True, slots=True)
class HoursBefore:
    """`number` hours before `reference` of the target day; days that do not count lend no hour."""

    number: int
    reference: time = time(0, 0)
    counted: CountedDays = EVERY_DAY
    from_last_school_day: bool = False
    inclusive: bool = True


@dataclass(frozen=True, slots=True)
class WeekBefore:
    """A weekday (0 is Monday) `weeks` ISO weeks before the target's, the same for its whole week."""

    weekday: int
    weeks: int = 1
    at: time | None = None
    counted: CountedDays = EVERY_DAY
    from_last_school_day: bool = False
    inclusive: bool = True


@dataclass(frozen=True, slots=True)
class TableRow:
    """The last `weekday` strictly before the target day, `more_weeks` weeks earlier still."""

    weekday: int
    at: time | None = None
    more_weeks: int = 0


@dataclass(frozen=True)
class WeekdayTable:
    """A row a target weekday. A weekday without row, or with None, is never on time.

    In a week whose Monday is a public holiday the rows of `holiday_monday` come first.
    """

    rows: Mapping[int, TableRow | None]
    holiday_monday: Mapping[int, TableRow | None] = field(default_factory=dict)
    counted: CountedDays = EVERY_DAY
    from_last_school_day: bool = False
    inclusive: bool = True


@dataclass(frozen=True, slots=True)
class SameDay:
    """The target day itself until `at`."""

    at: time | None = None
    inclusive: bool = True


@dataclass(frozen=True, slots=True)
class MonthDay:
    """A day of an earlier month; the 31st is the last day of a shorter month."""

    day: int
    months: int = 1
    at: time | None = None
    counted: CountedDays = EVERY_DAY
    inclusive: bool = True


@dataclass(frozen=True, slots=True)
class ClearDays:
    """`number` full days between the limit and the first day of the period (of the target day when none)."""

    number: int
    at: time | None = None
    counted: CountedDays = EVERY_DAY
    inclusive: bool = True


def first_said(publics: Sequence[int], said: Collection[int]) -> int | None:
    """Of the town's own audiences that a household is of (their keys, in the town's order), the one that
    counts where something is `said` for some of them; None: none is."""
    return next((one for one in publics if one in said), None)


class Audience(Enum):
    ALL = "all"
    RESIDENT = "resident"
    NON_RESIDENT = "non_resident"


@dataclass(frozen=True, slots=True)
class Window:
    """From when to when (None: no bound) one may act on the days from `first` to `last`."""

    first: date
    last: date
    opens: datetime | None = None
    closes: datetime | None = None
    audience: Audience = Audience.ALL
    # An audience of the town (its key), and its name; 0: none.
    public: int = 0
    public_name: str = ""


@dataclass(frozen=True, slots=True)
class Windows:
    """Dated windows. Those of an audience of the town that the family is of count before « commune » and
    « hors commune », those before the ones for all; no window is never."""

    windows: tuple[Window, ...]
    inclusive: bool = True


@dataclass(frozen=True, slots=True)
class Never:
    """Never possible."""


Rule = DaysBefore | HoursBefore | WeekBefore | WeekdayTable | SameDay | MonthDay | ClearDays | Windows | Never
