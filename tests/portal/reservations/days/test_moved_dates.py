"""Where days of a school year go in the next."""

from datetime import date

import pytest

from portal.reservations.days.calendars import Holiday
from portal.reservations.days.moved_dates import MovedDates, Span, moment_beside, renamed
from tests.factories import paris

BEFORE = Span(date(2026, 9, 1), date(2027, 7, 2))
YEAR = Span(date(2027, 9, 1), date(2028, 7, 3))
HOLIDAYS = [
    Holiday("A", name, first, last)
    for name, first, last in (
        ("Vacances d'été", date(2026, 7, 4), date(2026, 8, 31)),
        ("Vacances de la Toussaint", date(2026, 10, 17), date(2026, 11, 1)),
        ("Vacances de Noël", date(2026, 12, 19), date(2027, 1, 3)),
        ("Pont de l'Ascension", date(2027, 5, 7), date(2027, 5, 8)),
        ("Vacances d'été", date(2027, 7, 3), date(2027, 8, 31)),
        ("Vacances de la Toussaint", date(2027, 10, 23), date(2027, 11, 7)),
        ("Vacances de Noël", date(2027, 12, 18), date(2028, 1, 2)),
        ("Pont de l'Ascension", date(2028, 5, 26), date(2028, 5, 27)),
        ("Vacances d'été", date(2028, 7, 4), date(2028, 8, 31)),
    )
]
DATES = MovedDates(BEFORE, YEAR, HOLIDAYS)


@pytest.mark.parametrize(
    ("day", "then"),
    [
        (date(2026, 9, 1), date(2027, 9, 1)),  # the first day of classes
        (date(2027, 7, 2), date(2028, 7, 3)),  # the last one
        (date(2026, 10, 17), date(2027, 10, 23)),  # holidays follow holidays
        (date(2026, 11, 1), date(2027, 11, 7)),
        (date(2026, 11, 2), date(2027, 11, 8)),  # the day after them
        (date(2026, 12, 18), date(2027, 12, 17)),  # the eve
        (date(2026, 10, 26), date(2027, 11, 1)),  # their second Monday, a public holiday or not
        (date(2027, 7, 12), date(2028, 7, 10)),  # a week of a summer that begins on another weekday
        (date(2027, 8, 31), date(2028, 8, 31)),
        (date(2026, 9, 7), date(2027, 9, 6)),  # the first Monday, near the first day
        (date(2027, 1, 20), date(2028, 1, 19)),  # any other Wednesday, 52 weeks later
        (date(2027, 5, 28), date(2028, 5, 26)),  # not with an Ascension three weeks before
    ],
)
def test_a_day_goes_along_the_calendar(day, then):
    assert DATES.day(day) == then


def test_holidays_that_the_next_calendar_does_not_tell_are_said():
    known = MovedDates(BEFORE, YEAR, [one for one in HOLIDAYS if one.first < date(2027, 12, 1)])
    assert known.unknown(date(2026, 12, 20)) == "Vacances de Noël"
    assert known.unknown(date(2026, 10, 20)) == ""
    assert known.day(date(2026, 12, 21)) == date(2027, 12, 20)
    assert known.calendar_is_known
    assert not MovedDates(BEFORE, YEAR, HOLIDAYS[:5]).calendar_is_known


def test_a_span_is_never_the_wrong_way_round():
    for first in (date(2026, 9, 1), date(2026, 10, 20), date(2027, 6, 30), date(2027, 8, 30)):
        moved = DATES.span(first, first)
        assert moved.first <= moved.last


def test_a_moment_stays_as_far_from_its_day_at_the_same_hour_of_the_clock():
    opens = moment_beside(paris(2026, 8, 17, 8), date(2026, 10, 17), date(2027, 10, 23))
    assert opens == paris(2027, 8, 23, 8)
    # Over a change of hour.
    closes = moment_beside(paris(2026, 10, 20, 18), date(2026, 12, 19), date(2027, 12, 18))
    assert closes == paris(2027, 10, 19, 18)
    # On the same weekday where the year begins on another one.
    assert moment_beside(paris(2026, 6, 1, 8), date(2026, 9, 1), date(2027, 9, 1)) == paris(2027, 5, 31, 8)


@pytest.mark.parametrize(
    ("text", "then"),
    [
        ("Toussaint 2026", "Toussaint 2027"),
        ("Septembre à mai, 2026-2027", "Septembre à mai, 2027-2028"),
        ("Mercredis 26/27", "Mercredis 27/28"),
        ("annee-2026-2027", "annee-2027-2028"),
        ("Groupe 12-13 ans", "Groupe 12-13 ans"),
        ("Été", "Été"),
    ],
)
def test_a_name_that_says_the_year_says_the_next(text, then):
    assert renamed(text, 2026) == then
