"""Parts and shares of a flat price."""

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.rules.flats import Begun, part, shares
from tests.factories import weekdays_between

D = Decimal
NOVEMBER = [day for day in weekdays_between(date(2026, 11, 1), date(2026, 11, 30)) if day.day != 11]
YEAR = date(2026, 9, 1), date(2027, 7, 4)


def due(begun: Begun, *enrolled: tuple[date, date]) -> Decimal:
    return part(begun, NOVEMBER, enrolled).of(D(40))


@pytest.mark.parametrize(
    ("begun", "euros"), [(Begun.WHOLE, "40.00"), (Begun.DAYS, "4.00"), (Begun.WEEKS, "16.00")]
)
def test_who_starts_on_the_27th_pays_all_of_it_or_its_days_or_its_weeks(begun, euros):
    assert due(begun, (date(2026, 11, 27), date.max)) == D(euros)


def test_three_weeks_of_five():
    assert due(Begun.WEEKS, (date(2026, 11, 18), date.max)) == 24


def test_who_leaves_and_comes_back_pays_the_weeks_of_both():
    spans = (YEAR[0], date(2026, 11, 3)), (date(2026, 11, 30), YEAR[1])
    assert due(Begun.WEEKS, *spans) == 16
    assert due(Begun.DAYS, *spans) == D("6.00")


@pytest.mark.parametrize("begun", Begun)
def test_who_is_enrolled_throughout_pays_all_of_it(begun):
    assert due(begun, YEAR) == 40
    assert part(begun, NOVEMBER, [YEAR]).words == ""


@pytest.mark.parametrize("begun", Begun)
def test_all_of_it_is_due_where_nothing_says_otherwise(begun):
    assert due(begun) == part(begun, [], [YEAR]).of(D(40)) == 40


def test_the_odd_cent_goes_to_the_larger_remainder():
    assert shares(D("40.00"), [12, 8]) == [D("24.00"), D("16.00")]
    assert shares(D("40.00"), [1, 2]) == [D("13.33"), D("26.67")]
    assert shares(D("0.01"), [1, 1]) == [D("0.01"), D("0.00")]


@given(st.integers(0, 10**6), st.lists(st.integers(0, 31), min_size=1, max_size=4))
def test_shares_add_up_and_none_is_a_cent_off(cents, days):
    amount = D(cents) / 100
    found = shares(amount, days)
    if sum(days):
        assert sum(found) == amount
        assert all(
            abs(mine - amount * one / sum(days)) < D("0.01") for mine, one in zip(found, days, strict=True)
        )
    else:
        assert set(found) == {D(0)}
