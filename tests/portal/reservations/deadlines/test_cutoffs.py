"""When acting on a day is on time, kind by kind, and what holds for every kind."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from portal.reservations.deadlines.cutoffs import Timing, cutoff, limits
from portal.reservations.deadlines.decisions import Policy, Schedule, Standing, Verdict, decide
from portal.reservations.deadlines.rules import (
    Audience,
    ClearDays,
    CountedDays,
    DaysBefore,
    DayUnit,
    HoursBefore,
    MonthDay,
    Never,
    Rule,
    SameDay,
    TableRow,
    WeekBefore,
    WeekdayTable,
    Window,
    Windows,
)

PARIS = ZoneInfo("Europe/Paris")
MON, TUE, WED, THU, FRI, SAT, SUN = range(7)
NOON = time(12)


def paris(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=PARIS)


@dataclass(frozen=True)
class Days:
    """A calendar of plain sets: schools on Monday, Tuesday, Thursday and Friday."""

    public: frozenset[date] = frozenset()
    holidays: frozenset[date] = frozenset()
    closed: frozenset[date] = frozenset()
    school_weekdays: frozenset[int] = frozenset({MON, TUE, THU, FRI})
    timezone: tzinfo = field(default=PARIS)

    def is_public_holiday(self, day: date) -> bool:
        return day in self.public

    def is_school_holiday(self, day: date) -> bool:
        return day in self.holidays

    def is_school_day(self, day: date) -> bool:
        return self.is_establishment_open(day)

    def is_establishment_open(self, day: date) -> bool:
        return day.weekday() in self.school_weekdays and day not in self.public | self.holidays | self.closed


def days(first: str, last: str) -> frozenset[date]:
    start, end = date.fromisoformat(first), date.fromisoformat(last)
    return frozenset(start + timedelta(days=offset) for offset in range((end - start).days + 1))


PLAIN = Days()
CHRISTMAS = Days(
    public=frozenset({date(2026, 12, 25), date(2027, 1, 1)}), holidays=days("2026-12-19", "2027-01-03")
)
EASTER = Days(public=frozenset({date(2027, 3, 29)}))

MONDAY = date(2026, 11, 30)
TUESDAY = date(2026, 12, 1)
WEDNESDAY = date(2026, 12, 2)
THURSDAY = date(2026, 12, 3)


# Each kind -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "day", "calendar", "expected"),
    [
        (DaysBefore(2, NOON), THURSDAY, PLAIN, "2026-12-01T12:00"),
        (DaysBefore(1), THURSDAY, PLAIN, "2026-12-02T23:59:59.999999"),
        (DaysBefore(0, time(9)), THURSDAY, PLAIN, "2026-12-03T09:00"),
        (DaysBefore(2, NOON, CountedDays(skip_weekends=True)), MONDAY, PLAIN, "2026-11-26T12:00"),
        (
            DaysBefore(2, NOON, CountedDays(skip_weekdays=frozenset({WED}))),
            THURSDAY,
            PLAIN,
            "2026-11-30T12:00",
        ),
        (DaysBefore(2, NOON, CountedDays(DayUnit.WORKING)), date(2027, 3, 30), EASTER, "2027-03-25T12:00"),
        (
            DaysBefore(2, NOON, CountedDays(skip_public_holidays=True)),
            date(2027, 3, 30),
            EASTER,
            "2027-03-27T12:00",
        ),
        (DaysBefore(2, NOON, CountedDays(DayUnit.OPEN)), THURSDAY, PLAIN, "2026-11-30T12:00"),
        (DaysBefore(1, NOON, CountedDays(DayUnit.SCHOOL)), date(2027, 1, 4), CHRISTMAS, "2026-12-18T12:00"),
        (DaysBefore(1, NOON, from_last_school_day=True), date(2027, 1, 4), CHRISTMAS, "2026-12-18T12:00"),
        (DaysBefore(2, NOON, from_last_school_day=True), date(2027, 1, 4), CHRISTMAS, "2026-12-17T12:00"),
        (DaysBefore(2, NOON, from_last_school_day=True), date(2027, 1, 5), CHRISTMAS, "2026-12-18T12:00"),
        (DaysBefore(2, NOON, from_last_school_day=True), THURSDAY, CHRISTMAS, "2026-12-01T12:00"),
        (DaysBefore(1, NOON), date(2027, 1, 4), CHRISTMAS, "2027-01-03T12:00"),
        (HoursBefore(72), THURSDAY, PLAIN, "2026-11-30T00:00"),
        (HoursBefore(48, time(8)), MONDAY, PLAIN, "2026-11-28T08:00"),
        (HoursBefore(48, time(8), CountedDays(skip_weekends=True)), MONDAY, PLAIN, "2026-11-26T08:00"),
        (HoursBefore(50, time(8), CountedDays(skip_weekends=True)), MONDAY, PLAIN, "2026-11-26T06:00"),
        (HoursBefore(2, time(8), CountedDays(skip_weekends=True)), MONDAY, PLAIN, "2026-11-30T06:00"),
        (WeekBefore(THU, 1, NOON), MONDAY, PLAIN, "2026-11-26T12:00"),
        (WeekBefore(THU, 1, NOON), date(2026, 12, 4), PLAIN, "2026-11-26T12:00"),
        (WeekBefore(SUN), WEDNESDAY, PLAIN, "2026-11-29T23:59:59.999999"),
        (WeekBefore(FRI, 2, NOON), WEDNESDAY, PLAIN, "2026-11-20T12:00"),
        (WeekBefore(MON, 0, time(9)), THURSDAY, PLAIN, "2026-11-30T09:00"),
        (
            WeekBefore(MON, 1, NOON, CountedDays(skip_public_holidays=True)),
            date(2027, 4, 6),
            EASTER,
            "2027-03-28T12:00",
        ),
        (
            WeekBefore(MON, 1, NOON, CountedDays(DayUnit.WORKING)),
            date(2027, 4, 6),
            EASTER,
            "2027-03-26T12:00",
        ),
        (
            WeekBefore(THU, 1, NOON, from_last_school_day=True),
            date(2027, 1, 5),
            CHRISTMAS,
            "2026-12-17T12:00",
        ),
        (WeekdayTable({THU: TableRow(TUE, NOON)}), THURSDAY, PLAIN, "2026-12-01T12:00"),
        (WeekdayTable({THU: TableRow(THU, NOON)}), THURSDAY, PLAIN, "2026-11-26T12:00"),
        (WeekdayTable({THU: TableRow(MON, NOON, more_weeks=1)}), THURSDAY, PLAIN, "2026-11-23T12:00"),
        (WeekdayTable({TUE: TableRow(SAT)}), TUESDAY, PLAIN, "2026-11-28T23:59:59.999999"),
        (
            WeekdayTable({WED: TableRow(MON, NOON)}, {WED: TableRow(THU, NOON)}),
            date(2027, 3, 31),
            EASTER,
            "2027-03-25T12:00",
        ),
        (
            WeekdayTable({THU: TableRow(MON, NOON)}, {WED: TableRow(THU, NOON)}),
            date(2027, 4, 1),
            EASTER,
            "2027-03-29T12:00",
        ),
        (SameDay(time(8, 30)), THURSDAY, PLAIN, "2026-12-03T08:30"),
        (SameDay(), THURSDAY, PLAIN, "2026-12-03T23:59:59.999999"),
        (MonthDay(17), THURSDAY, PLAIN, "2026-11-17T23:59:59.999999"),
        (MonthDay(31, at=NOON), THURSDAY, PLAIN, "2026-11-30T12:00"),
        (MonthDay(31, at=NOON), date(2027, 3, 15), PLAIN, "2027-02-28T12:00"),
        (MonthDay(31, at=NOON), date(2028, 3, 15), PLAIN, "2028-02-29T12:00"),
        (MonthDay(20, 2, NOON), date(2027, 1, 15), PLAIN, "2026-11-20T12:00"),
        (ClearDays(15), date(2026, 12, 19), PLAIN, "2026-12-03T23:59:59.999999"),
        (ClearDays(2, NOON, CountedDays(DayUnit.WORKING)), MONDAY, PLAIN, "2026-11-25T12:00"),
    ],
)
def test_a_rule_gives_its_cut_off(rule: Rule, day: date, calendar: Days, expected: str) -> None:
    assert cutoff(rule, day, calendar) == paris(expected)


def test_clear_days_count_from_the_first_day_of_the_period() -> None:
    start = date(2026, 12, 19)
    assert cutoff(ClearDays(15), date(2026, 12, 28), PLAIN, period_start=start) == cutoff(
        ClearDays(15), start, PLAIN
    )


@pytest.mark.parametrize(
    "rule",
    [Never(), Windows(()), WeekdayTable({}), WeekdayTable({THU: None}), WeekdayTable({MON: TableRow(THU)})],
)
def test_some_days_are_never_on_time(rule: Rule) -> None:
    assert limits(rule, THURSDAY, PLAIN).timing(paris("2026-01-01T00:00")) is Timing.NEVER
    assert cutoff(rule, THURSDAY, PLAIN) is None


def test_an_alternative_row_may_say_never() -> None:
    rule = WeekdayTable({WED: TableRow(MON)}, {WED: None})
    assert cutoff(rule, date(2027, 3, 31), EASTER) is None
    assert cutoff(rule, date(2027, 4, 7), EASTER) is not None


@pytest.mark.parametrize(
    ("inclusive", "at", "timing"),
    [
        (True, "2026-12-01T12:00", Timing.ON_TIME),
        (False, "2026-12-01T12:00", Timing.LATE),
        (False, "2026-12-01T11:59:59", Timing.ON_TIME),
        (True, "2026-12-01T12:00:01", Timing.LATE),
    ],
)
def test_the_limit_itself_is_in_or_out_as_the_town_says(inclusive: bool, at: str, timing: Timing) -> None:
    assert limits(DaysBefore(2, NOON, inclusive=inclusive), THURSDAY, PLAIN).timing(paris(at)) is timing


@pytest.mark.parametrize("inclusive", [True, False])
@pytest.mark.parametrize("at", [None, time(23, 59), time(23, 59, 59)])
def test_the_last_minute_lasts_until_the_day_is_over(at: time | None, inclusive: bool) -> None:
    found = limits(DaysBefore(1, at, inclusive=inclusive), THURSDAY, PLAIN)
    assert found.timing(paris("2026-12-02T23:59:59.5")) is Timing.ON_TIME
    assert found.timing(paris("2026-12-03T00:00")) is Timing.LATE


# Windows ---------------------------------------------------------------------------------------------------

SUMMER = (date(2026, 7, 6), date(2026, 7, 31))
RESIDENTS = Window(*SUMMER, paris("2026-05-04T08:00"), paris("2026-06-26T18:00"), Audience.RESIDENT)
OTHERS = Window(*SUMMER, paris("2026-05-18T08:00"), paris("2026-06-26T18:00"), Audience.NON_RESIDENT)


@pytest.mark.parametrize(
    ("resident", "at", "timing"),
    [
        (True, "2026-05-04T07:59", Timing.EARLY),
        (True, "2026-05-04T08:00", Timing.ON_TIME),
        (False, "2026-05-04T08:00", Timing.EARLY),
        (False, "2026-05-18T08:00", Timing.ON_TIME),
        (False, "2026-06-26T18:01", Timing.LATE),
    ],
)
def test_non_residents_have_their_own_window(resident: bool, at: str, timing: Timing) -> None:
    rule = Windows((RESIDENTS, OTHERS))
    assert limits(rule, date(2026, 7, 8), PLAIN, resident=resident).timing(paris(at)) is timing


def test_days_outside_every_window_are_never_possible() -> None:
    assert cutoff(Windows((RESIDENTS,)), date(2026, 8, 3), PLAIN) is None
    assert cutoff(Windows((RESIDENTS,)), date(2026, 7, 8), PLAIN, resident=False) is None


def test_two_windows_of_the_same_days_open_one_after_the_other() -> None:
    first = Window(*SUMMER, paris("2026-05-04T08:00"), paris("2026-05-15T18:00"))
    second = Window(*SUMMER, paris("2026-06-01T08:00"), paris("2026-06-12T18:00"))
    found = limits(Windows((second, first)), date(2026, 7, 8), PLAIN)
    moments = ["2026-05-01", "2026-05-10", "2026-05-20", "2026-06-05", "2026-06-20"]
    assert [found.timing(paris(f"{day}T12:00")).value for day in moments] == [
        "early",
        "on_time",
        "early",
        "on_time",
        "late",
    ]


def test_a_window_without_end_lasts_until_the_day_is_over() -> None:
    found = limits(Windows((replace(RESIDENTS, closes=None),)), date(2026, 7, 8), PLAIN)
    assert found.closes == paris("2026-07-08T23:59:59.999999")


# Clocks that change ----------------------------------------------------------------------------------------


def test_noon_is_noon_before_and_after_the_clocks_change() -> None:
    spring = date(2027, 3, 28)
    eve, after = cutoff(DaysBefore(1, NOON), spring, PLAIN), cutoff(SameDay(NOON), spring, PLAIN)
    assert (eve.astimezone(UTC).hour, after.astimezone(UTC).hour) == (11, 10)


def test_an_hour_that_the_clock_jumps_over_is_the_next_one() -> None:
    assert cutoff(SameDay(time(2, 30)), date(2027, 3, 28), PLAIN) == paris("2027-03-28T03:30")


def test_the_hour_that_comes_twice_ends_the_first_time() -> None:
    found = limits(SameDay(time(2, 30)), date(2026, 10, 25), PLAIN)
    first = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert found.timing(first) is Timing.ON_TIME
    assert found.timing(first + timedelta(minutes=30)) is Timing.LATE
    assert found.timing(first.astimezone(PARIS) + timedelta(hours=1)) is Timing.LATE


def test_another_time_zone_has_its_own_days() -> None:
    reunion = Days(timezone=ZoneInfo("Indian/Reunion"))
    assert cutoff(SameDay(NOON), THURSDAY, reunion).astimezone(UTC).hour == 8


# What a family may do --------------------------------------------------------------------------------------

TWO_DAYS = DaysBefore(2, time(10))
LIMIT = paris("2026-12-01T10:00")
EVE = paris("2026-12-02T23:59:59.999999")


@pytest.mark.parametrize(
    ("policy", "at", "verdict"),
    [
        (Policy(TWO_DAYS), "2026-12-01T09:00", Verdict(Standing.ON_TIME, LIMIT)),
        (Policy(TWO_DAYS), "2026-12-01T11:00", Verdict(Standing.CLOSED, LIMIT)),
        (Policy(TWO_DAYS, "request"), "2026-12-01T11:00", Verdict(Standing.LATE_REQUEST, EVE)),
        (Policy(TWO_DAYS, "accept"), "2026-12-02T23:00", Verdict(Standing.LATE_ACCEPT, EVE)),
        (Policy(TWO_DAYS, "accept"), "2026-12-03T07:00", Verdict(Standing.CLOSED, EVE)),
        (
            Policy(TWO_DAYS, "accept", SameDay(time(9))),
            "2026-12-03T07:00",
            Verdict(Standing.LATE_ACCEPT, paris("2026-12-03T09:00")),
        ),
        (
            Policy(TWO_DAYS, "accept", SameDay(time(9))),
            "2026-12-03T10:00",
            Verdict(Standing.CLOSED, paris("2026-12-03T09:00")),
        ),
        (Policy(Never()), "2026-11-01T00:00", Verdict(Standing.NEVER, None)),
        (Policy(Never(), "request"), "2026-11-01T00:00", Verdict(Standing.LATE_REQUEST, EVE)),
        (None, "2026-12-02T23:00", Verdict(Standing.ON_TIME, EVE)),
        (None, "2026-12-03T00:00", Verdict(Standing.CLOSED, EVE)),
        (
            Policy(TWO_DAYS, opens=paris("2026-11-30T08:00")),
            "2026-11-29T10:00",
            Verdict(Standing.EARLY, paris("2026-11-30T08:00")),
        ),
        (
            Policy(TWO_DAYS, closes=paris("2026-11-20T18:00")),
            "2026-11-20T17:00",
            Verdict(Standing.ON_TIME, paris("2026-11-20T18:00")),
        ),
        (
            Policy(TWO_DAYS, "request", closes=paris("2026-11-20T18:00")),
            "2026-11-29T10:00",
            Verdict(Standing.CLOSED, paris("2026-11-20T18:00")),
        ),
    ],
)
def test_a_policy_says_what_a_family_may_do(policy: Policy | None, at: str, verdict: Verdict) -> None:
    assert decide(policy, THURSDAY, paris(at), PLAIN) == verdict
    assert Schedule(policy, PLAIN, paris(at)).verdict(THURSDAY) == verdict


# What holds whatever the rule ------------------------------------------------------------------------------

# Around week-ends, holidays, clock changes and 29 February.
some_days = st.dates(date(2026, 9, 1), date(2028, 7, 1)) | st.sampled_from(
    [
        date(2027, 3, 28),
        date(2027, 3, 29),
        date(2027, 10, 31),
        date(2028, 2, 29),
        date(2028, 3, 1),
        date(2027, 1, 4),
    ]
)
some_times = st.none() | st.times().map(lambda at: at.replace(second=0, microsecond=0))
some_weekdays = st.integers(0, 6)
some_counted = st.builds(
    CountedDays,
    unit=st.sampled_from(DayUnit),
    skip_weekends=st.booleans(),
    skip_public_holidays=st.booleans(),
    skip_weekdays=st.frozensets(some_weekdays, max_size=3),
)
some_rows = st.dictionaries(
    some_weekdays, st.none() | st.builds(TableRow, some_weekdays, some_times, st.integers(0, 2))
)
some_moments = st.datetimes(datetime(2026, 1, 1), datetime(2028, 12, 31)).map(
    lambda moment: moment.replace(tzinfo=PARIS)
)
some_windows = st.builds(
    lambda first, length, opens, closes, audience: Window(
        first, first + timedelta(length), opens, closes, audience
    ),
    some_days,
    st.integers(0, 60),
    st.none() | some_moments,
    st.none() | some_moments,
    st.sampled_from(Audience),
)
some_rules = st.one_of(
    st.builds(DaysBefore, st.integers(0, 30), some_times, some_counted, st.booleans(), st.booleans()),
    st.builds(
        HoursBefore,
        st.integers(0, 200),
        st.times().map(lambda at: at.replace(second=0, microsecond=0)),
        some_counted,
        st.booleans(),
        st.booleans(),
    ),
    st.builds(
        WeekBefore, some_weekdays, st.integers(0, 4), some_times, some_counted, st.booleans(), st.booleans()
    ),
    st.builds(WeekdayTable, some_rows, some_rows, some_counted, st.booleans(), st.booleans()),
    st.builds(SameDay, some_times, st.booleans()),
    st.builds(MonthDay, st.integers(1, 31), st.integers(1, 3), some_times, some_counted, st.booleans()),
    st.builds(ClearDays, st.integers(0, 30), some_times, some_counted, st.booleans()),
    st.builds(Windows, st.lists(some_windows, max_size=3).map(tuple), st.booleans()),
    st.just(Never()),
)
some_calendars = st.builds(
    Days,
    public=st.frozensets(some_days, max_size=12).map(lambda found: found | CHRISTMAS.public | EASTER.public),
    holidays=st.just(
        CHRISTMAS.holidays | days("2027-07-03", "2027-08-31") | days("2028-02-26", "2028-03-05")
    ),
    closed=st.frozensets(some_days, max_size=12),
)


@given(some_rules, some_days, some_calendars, st.booleans())
def test_a_cut_off_never_lies_after_the_end_of_its_day(
    rule: Rule, day: date, calendar: Days, resident: bool
) -> None:
    found = cutoff(rule, day, calendar, resident=resident)
    assert found is None or found.astimezone(PARIS).date() <= day


@given(some_rules, some_days, some_calendars)
def test_on_time_until_the_cut_off_and_late_after_it(rule: Rule, day: date, calendar: Days) -> None:
    found = limits(rule, day, calendar)
    assume(found.closes is not None and (found.opens is None or found.opens < found.closes))
    if found.then is None:
        before, after = (found.closes.astimezone(UTC) + timedelta(microseconds=step) for step in (-1, 1))
        assert (found.timing(before), found.timing(after)) == (Timing.ON_TIME, Timing.LATE)


@given(st.integers(0, 20), some_times, some_counted, st.booleans(), some_days, some_calendars)
def test_more_days_of_notice_never_give_a_later_cut_off(
    number: int, at: time | None, counted: CountedDays, from_last: bool, day: date, calendar: Days
) -> None:
    less = cutoff(DaysBefore(number, at, counted, from_last), day, calendar)
    more = cutoff(DaysBefore(number + 1, at, counted, from_last), day, calendar)
    assert more.astimezone(UTC) <= less.astimezone(UTC)


@given(st.integers(0, 200), some_counted, some_days, some_calendars)
def test_more_hours_of_notice_never_give_a_later_cut_off(
    number: int, counted: CountedDays, day: date, calendar: Days
) -> None:
    less, more = (cutoff(HoursBefore(each, time(8), counted), day, calendar) for each in (number, number + 1))
    assert more.astimezone(UTC) <= less.astimezone(UTC)


@given(
    st.integers(0, 20), some_times, some_counted, st.booleans(), some_days, some_calendars, st.integers(0, 40)
)
def test_a_closed_day_between_never_gives_a_later_cut_off(
    number: int,
    at: time | None,
    counted: CountedDays,
    from_last: bool,
    day: date,
    calendar: Days,
    back: int,
) -> None:
    rule = DaysBefore(number, at, counted, from_last)
    closed = replace(calendar, public=calendar.public | {day - timedelta(days=back)})
    assert cutoff(rule, day, closed).astimezone(UTC) <= cutoff(rule, day, calendar).astimezone(UTC)


@given(some_rules, some_days, some_calendars, some_moments, st.sampled_from(["refuse", "request", "accept"]))
def test_a_verdict_never_lets_act_after_the_day(
    rule: Rule, day: date, calendar: Days, at: datetime, late: str
) -> None:
    verdict = decide(Policy(rule, late), day, at, calendar)
    if at.date() > day:
        assert not verdict.may_act
    if verdict.may_act:
        assert at.astimezone(UTC) <= verdict.moment.astimezone(UTC)
    if late == "refuse":
        assert not verdict.standing.is_late


@pytest.mark.parametrize("step", range(0, 400, 7))
def test_a_rule_counted_over_a_whole_year_stays_in_order(step: int) -> None:
    """A later day of the year never has an earlier cut-off, for rules without exceptions by weekday."""
    rules: list[Callable[[], Rule]] = [
        lambda: DaysBefore(3, NOON, CountedDays(DayUnit.WORKING)),
        lambda: DaysBefore(2, NOON, from_last_school_day=True),
        lambda: WeekBefore(THU, 1, NOON),
        lambda: MonthDay(20),
    ]
    day = date(2026, 9, 1) + timedelta(days=step)
    for make in rules:
        one, other = (cutoff(make(), each, PLAIN) for each in (day, day + timedelta(days=1)))
        assert one <= other
