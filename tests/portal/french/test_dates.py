"""Days and months are named the same wherever somebody reads them."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.french.dates import day_number, month_name, months_after, short_day


def test_a_month_is_said_with_its_year():
    assert [month_name(date(2026, 11, 30)), month_name(date(2027, 8, 1))] == ["novembre 2026", "août 2027"]


def test_only_the_first_of_a_month_is_an_ordinal():
    assert [day_number(number) for number in (1, 2, 31)] == ["1er", "2", "31"]
    assert short_day(date(2026, 12, 1), year=True) == "1er décembre 2026"
    assert short_day(date(2026, 2, 21)) == "21 février"


@pytest.mark.parametrize(
    ("month", "number", "expected"),
    [
        (date(2026, 11, 1), 1, date(2026, 12, 1)),
        (date(2026, 11, 1), 2, date(2027, 1, 1)),
        (date(2026, 11, 1), -11, date(2025, 12, 1)),
        (date(2026, 1, 1), -1, date(2025, 12, 1)),
        (date(2026, 12, 1), 0, date(2026, 12, 1)),
    ],
)
def test_months_follow_each_other_over_the_years(month, number, expected):
    assert months_after(month, number) == expected


@given(st.dates(date(2000, 1, 1), date(2100, 12, 31)), st.integers(1, 120), st.integers(1, 120))
def test_more_months_never_end_earlier(day, months, more):
    assert months_after(day, months) < months_after(day, months + more)
    assert months_after(day, months).day <= day.day
