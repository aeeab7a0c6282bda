"""A posted number is one that fits, or it is none."""

import pytest

from families.models import Household
from portal.web.posted import LARGEST, posted_number, posted_numbers


@pytest.mark.parametrize("text", ["", "-1", "1.5", " 1", "douze", "²", str(LARGEST + 1), "9" * 5000])
def test_what_fits_no_column_is_no_number(text):
    assert posted_number(text) is None


def test_a_number_may_have_zeros_before_it_and_a_bound():
    assert [posted_number("000042"), posted_number("7", most=6), posted_number("6", most=6)] == [42, None, 6]
    assert posted_numbers(["3", "x", "1"]) == [3, 1]


@pytest.mark.django_db
def test_the_largest_number_may_be_looked_for():
    assert not Household.objects.filter(pk=posted_number(str(LARGEST))).exists()
