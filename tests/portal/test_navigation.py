"""The links at the head of every page lead somewhere, whoever is logged in."""

import re

import pytest
from django.test import Client

from families.models import Household
from tests.conftest import Family, logged_in
from tests.factories import UserFactory

HEAD = re.compile(r'<nav class="site-nav" aria-label="Navigation principale">(.*?)</nav>', re.S)


def ways(client: Client) -> dict[str, int]:
    """The answer behind each link of the head of the first page."""
    (head,) = HEAD.findall(client.get("/").content.decode())
    return {address: client.get(address).status_code for address in re.findall(r'href="([^"]+)"', head)}


def test_a_family_finds_its_calendar_reminders_and_history(books: Family):
    found = ways(books.client())
    assert set(found) == {"/", "/mon-agenda/", "/mes-rappels/", "/mon-historique/"}
    assert set(found.values()) == {200}


def test_a_family_that_waits_finds_them_too(stranger: Family):
    Household.objects.filter(pk=stranger.household.pk).update(state=Household.State.REQUESTED)
    assert set(ways(stranger.client()).values()) == {200}


@pytest.mark.parametrize("staff", [False, True], ids=["without a household", "of the town hall"])
def test_who_is_of_no_household_comes_back_to_the_page_that_says_so(now, town, staff):
    found = ways(logged_in(UserFactory(is_staff=staff, is_superuser=staff)))
    assert set(found.values()) <= {200, 302}
