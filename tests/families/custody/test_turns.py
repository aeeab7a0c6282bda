"""Whose day is it: even and odd weeks, halves of holidays, dates by hand."""

from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from families.custody.turns import Turns, apart

EVEN, ODD = 2, 1
MONDAY, FRIDAY = 0, 4
CHRISTMAS = (date(2026, 12, 19), date(2027, 1, 3))  # sixteen days
WINTER = (date(2027, 2, 13), date(2027, 2, 27))  # fifteen
DAYS = st.dates(date(2019, 1, 1), date(2034, 12, 31))
HALVES = st.sampled_from([None, EVEN, ODD])


def friday(**more) -> Turns:
    return Turns(EVEN, ODD, FRIDAY, **more)


@st.composite
def calendars(draw) -> Turns:
    dates = draw(st.lists(st.tuples(DAYS, st.integers(0, 20), st.sampled_from([EVEN, ODD])), max_size=3))
    by_hand = tuple((first, first + timedelta(days=length), home) for first, length, home in dates)
    return Turns(EVEN, ODD, draw(st.integers(0, 6)), draw(st.booleans()), draw(HALVES), by_hand)


@st.composite
def holidays(draw) -> list[tuple[date, date]]:
    found = draw(st.lists(st.tuples(DAYS, st.integers(0, 70)), max_size=4))
    return apart((first, first + timedelta(days=length)) for first, length in found)


@pytest.mark.parametrize(
    ("day", "home"),
    [
        (date(2026, 12, 11), ODD),  # Friday of week 50: the change is in the evening
        (date(2026, 12, 12), EVEN),
        (date(2026, 12, 17), EVEN),  # Thursday of week 51
        (date(2026, 12, 18), EVEN),
        (date(2026, 12, 19), ODD),
    ],
)
def test_the_week_of_a_friday_evening_goes_from_saturday_to_friday(day, home):
    assert friday().home_on(day) == home


def test_the_monday_of_a_morning_is_the_next_home_s_already():
    turns = Turns(EVEN, ODD, MONDAY, morning=True)
    assert turns.spells(date(2026, 12, 6), date(2026, 12, 14)) == [
        (date(2026, 12, 6), date(2026, 12, 6), ODD),
        (date(2026, 12, 7), date(2026, 12, 13), EVEN),
        (date(2026, 12, 14), date(2026, 12, 14), ODD),
    ]


def test_after_a_year_of_53_weeks_two_odd_weeks_follow_each_other():
    turns = Turns(EVEN, ODD, MONDAY, morning=True)
    assert turns.spells(date(2026, 12, 21), date(2027, 1, 17)) == [
        (date(2026, 12, 21), date(2026, 12, 27), EVEN),
        (date(2026, 12, 28), date(2027, 1, 10), ODD),
        (date(2027, 1, 11), date(2027, 1, 17), EVEN),
    ]


def test_halves_of_holidays_alternate_by_the_year_in_which_they_begin():
    turns = friday(first_half=EVEN)
    assert turns.spells(*CHRISTMAS, [CHRISTMAS]) == [
        (CHRISTMAS[0], date(2026, 12, 26), EVEN),
        (date(2026, 12, 27), CHRISTMAS[1], ODD),
    ]
    assert turns.spells(*WINTER, [WINTER]) == [
        (WINTER[0], date(2027, 2, 20), ODD),  # eight days: the one in the middle is theirs
        (date(2027, 2, 21), WINTER[1], EVEN),
    ]


def test_a_bridge_follows_the_weeks_and_dates_by_hand_come_first():
    bridge = (date(2027, 5, 6), date(2027, 5, 9))
    turns = friday(first_half=EVEN, dates=((date(2026, 12, 24), date(2026, 12, 25), ODD),))
    assert turns.spells(*bridge, [bridge]) == friday().spells(*bridge)
    assert [turns.home_on(date(2026, 12, day), [CHRISTMAS]) for day in (23, 24, 25, 26)] == [
        EVEN,
        ODD,
        ODD,
        EVEN,
    ]


@given(calendars(), holidays(), DAYS)
def test_each_day_belongs_to_exactly_one_home(turns, spans, first):
    last = first + timedelta(days=400)
    spells = turns.spells(first, last, spans)
    assert spells[0][0] == first and spells[-1][1] == last
    for (_, until, home), (since, _, other) in pairwise(spells):
        assert since == until + timedelta(days=1) and home != other
    assert {home for *_, home in spells} <= {EVEN, ODD}


@given(st.integers(0, 6), st.booleans(), DAYS)
def test_without_holidays_seven_days_belong_to_the_same_home_but_around_a_change(weekday, morning, day):
    turns = Turns(EVEN, ODD, weekday, morning)
    spells = turns.spells(day, day + timedelta(days=60))
    assert {(last - first).days + 1 for first, last, _ in spells[1:-1]} <= {7, 14}, "14 after week 53"


@given(DAYS, st.integers(7, 70), HALVES.filter(bool))
def test_the_halves_are_as_long_as_can_be_and_change_the_year_after(first, length, begins):
    span = (first, first + timedelta(days=length - 1))
    one, two = friday(first_half=begins).spells(*span, [span])
    lengths = [(last - first).days + 1 for first, last, _ in (one, two)]
    assert sum(lengths) == length and lengths[0] - lengths[1] in (0, 1)
    assert (one[2] == begins) is (first.year % 2 == 0)


@given(holidays())
def test_spans_apart_never_overlap(spans):
    assert all(last < first for (_, last), (first, _) in pairwise(spans))
