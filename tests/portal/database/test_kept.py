"""What a page asks several times of one row is read once."""

import pytest

from families.models import Household
from portal.database.kept import kept_with_row

pytestmark = pytest.mark.django_db


@kept_with_row
def names(household: Household) -> list[str]:
    """Who lives there."""
    return [str(child) for child in household.children.all()]


def test_the_second_question_costs_no_query(books, django_assert_num_queries):
    asked = Household.objects.get(pk=books.household.pk)
    with django_assert_num_queries(1):
        assert names(asked) == names(asked) == [str(books.child)]


def test_the_row_loaded_again_is_read_again(books, django_assert_num_queries):
    for _ in range(2):
        asked = Household.objects.get(pk=books.household.pk)
        with django_assert_num_queries(1):
            names(asked)


def test_an_empty_answer_is_kept_too(books, django_assert_num_queries):
    books.household.custodies.all().delete()
    asked = Household.objects.get(pk=books.household.pk)
    with django_assert_num_queries(1):
        assert names(asked) == names(asked) == []


def test_it_says_what_it_reads():
    assert names.__doc__ == "Who lives there."
