"""Centres at the service's own desk, and where its pages are found."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from portal.reservations.models import Establishment
from tests.conftest import family
from tests.factories import BookingFactory, CentreFactory, SchoolFactory
from tests.leisure.desk_cast import MONDAY, asks_for, camp

__all__ = ["asks_for", "camp"]

LIST = reverse("admin:leisure_centre_changelist")
PAGES = ["leisure_open_period", "leisure_requests", "leisure_register"]


def test_the_list_holds_centres_only(town, agent_client):
    CentreFactory(name="Centre des Roseaux")
    SchoolFactory(name="École du Lac")
    page = agent_client.get(LIST).text
    assert "Centre des Roseaux" in page
    assert "École du Lac" not in page


def test_what_is_added_here_is_a_centre(town, agent_client):
    typed = {"name": "Centre du Lac", "code": "centre-du-lac", "open_weekdays": ["2"], "active": "on"}
    answer = agent_client.post(reverse("admin:leisure_centre_add"), typed)
    assert answer.status_code == 302
    assert Establishment.objects.get().kind == Establishment.Kind.CENTRE


def test_a_centre_is_never_deleted_with_what_families_booked(town, agent_client):
    centre = CentreFactory()
    answer = agent_client.post(reverse("admin:leisure_centre_delete", args=[centre.pk]), {"post": "yes"})
    assert answer.status_code == 403
    assert Establishment.objects.filter(pk=centre.pk).exists()


def test_the_pages_are_found_from_the_desk_and_the_list(town, agent_client, regie_client):
    for page in (agent_client.get(reverse("admin:index")).text, agent_client.get(LIST).text):
        assert all(reverse(f"admin:{name}") in page for name in PAGES)
    desk = regie_client.get(reverse("admin:index")).text
    assert not any(reverse(f"admin:{name}") in desk for name in PAGES)
    assert regie_client.get(LIST).status_code == 403


@pytest.mark.parametrize("name", PAGES)
def test_a_page_costs_the_same_for_one_family_and_ten(name, camp, asks_for, agent_client):
    url = f"{reverse(f'admin:{name}')}?jour={MONDAY.isoformat()}"

    def cost() -> int:
        agent_client.get(url)
        with CaptureQueriesContext(connection) as queries:
            assert agent_client.get(url).status_code == 200
        return len(queries)

    def come(number: int) -> None:
        asked = asks_for(family(f"f{number}", f"Famille {number}", "Sacha"), MONDAY)
        other = asks_for(family(f"g{number}", f"Voisin {number}", "Sacha"), MONDAY)
        other.bookings.all().delete()
        BookingFactory(enrolment=other.enrolment, formula=camp.formula, day=MONDAY)
        assert asked

    camp.activity.slots.update(capacity=None)
    come(0)
    once = cost()
    for number in range(1, 10):
        come(number)
    assert cost() == once
