"""An invoice in so many parts: cents shared, the sum exact, a month from one to the next."""

from datetime import date
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from billing.rules import instalments as rules

FIRST = date(2026, 12, 30)


def test_a_hundred_euros_in_three_times():
    parts = rules.schedule(Decimal("100.00"), 3, FIRST)
    assert [(one.due_on, one.amount) for one in parts] == [
        (FIRST, Decimal("33.34")),
        (date(2027, 1, 30), Decimal("33.33")),
        (date(2027, 2, 28), Decimal("33.33")),
    ]
    assert rules.in_words(parts) == (
        "en 3 fois : 33,34\xa0€ le 30 décembre, 33,33\xa0€ le 30 janvier et 33,33\xa0€ le 28 février 2027"
    )


def test_two_cents_are_no_three_parts():
    assert rules.schedule(Decimal("0.02"), 3, FIRST) == ()


@given(st.integers(1, 10**7), st.integers(1, rules.MOST), st.dates(date(2026, 1, 1), date(2030, 12, 31)))
def test_parts_add_up_and_follow_each_other(cents, count, first):
    amount = Decimal(cents) / 100
    parts = rules.schedule(amount, count, first)
    if not parts:
        assert cents < count
        return
    assert sum(one.amount for one in parts) == amount
    assert len({one.due_on for one in parts}) == len(parts) == count
    assert [one.due_on for one in parts] == sorted(one.due_on for one in parts)
    assert max(one.amount for one in parts) - min(one.amount for one in parts) <= Decimal("0.01")
