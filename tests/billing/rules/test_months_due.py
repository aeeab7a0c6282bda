"""The months in which a flat price of the month is due: ten of them, and nothing in July."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.rules import flats
from portal.french import months

TEN = months.months_mask(months.months_between(9, 6))
QUARTERS = months.months_mask([11, 2, 5])


def test_ten_from_september_to_june():
    assert flats.months_said(TEN) == "10 mensualités, de septembre à juin"
    due = [month for month in range(1, 13) if flats.due_in(TEN, date(2027, month, 1))]
    assert due == [1, 2, 3, 4, 5, 6, 9, 10, 11, 12]
    assert flats.not_due(TEN, date(2027, 7, 1)) == "10 mensualités, de septembre à juin : rien en juillet"


@pytest.mark.parametrize(
    ("mask", "words"),
    [
        (QUARTERS, "en novembre, février et mai"),
        (months.months_mask([9]), "en septembre"),
        (months.months_mask([12, 1]), "de décembre à janvier"),
        (months.months_mask(range(1, 13)), "de septembre à août"),
        (0, ""),
    ],
)
def test_months_in_words(mask, words):
    assert months.in_words(mask) == words


def test_without_months_it_is_due_in_each():
    assert flats.months_said(0) == ""
    assert all(flats.due_in(0, date(2027, month, 1)) for month in range(1, 13))


@given(st.sets(st.integers(1, 12)))
def test_a_mask_says_its_months(chosen):
    mask = months.months_mask(chosen)
    assert set(months.months_in(mask)) == chosen
    if chosen:
        assert {month for month in range(1, 13) if flats.due_in(mask, date(2026, month, 1))} == chosen
