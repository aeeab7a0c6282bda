"""What belongs to a whole household is written by one transaction at a time."""

import pytest
from django.db import connection

from families.models import Household
from tests.factories import HouseholdFactory


@pytest.mark.django_db
def test_households_are_held_in_the_order_of_their_keys_by_one_query(django_assert_num_queries):
    homes = [HouseholdFactory(), HouseholdFactory()]
    with django_assert_num_queries(1) as held:
        Household.objects.lock([homes[1].pk, homes[0].pk])
    said = held.captured_queries[0]["sql"]
    assert "ORDER BY 1 ASC" in said
    assert ("FOR UPDATE" in said) is connection.features.has_select_for_update
