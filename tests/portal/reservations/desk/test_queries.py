"""The desk's lists cost the same for one row or ten."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from portal.reservations.models import Enrolment
from portal.reservations.states import EnrolmentState
from tests.conftest import FRIDAY, THURSDAY, enrolled, family

PAGES = [
    "admin:index",
    "admin:reservations_enrolment_changelist",
    "admin:reservations_reservation_changelist",
    "admin:reservations_reservationline_changelist",
    "admin:reservations_booking_changelist",
    "admin:reservations_slot_changelist",
    "admin:reservations_schooling_changelist",
    "admin:families_dietchoice_changelist",
    "admin:catering_kitchen",
]


def cost(client, url: str) -> int:
    client.get(url)  # content types and the town are kept from the first page on
    with CaptureQueriesContext(connection) as queries:
        assert client.get(url).status_code == 200
    return len(queries)


@pytest.mark.parametrize("page", PAGES)
def test_a_list_costs_the_same_for_one_row_and_ten(
    page, asks, books, canteen, year, school_class, agent_client
):
    asks(books, THURSDAY)
    Enrolment.objects.update(state=EnrolmentState.REQUESTED)
    once = cost(agent_client, reverse(page))
    for number in range(9):
        who = enrolled(family(f"f{number}", f"Famille {number}", "Sacha", school_class), canteen, year)
        asks(who, THURSDAY, FRIDAY)
        Enrolment.objects.filter(pk=who.enrolment.pk).update(state=EnrolmentState.REQUESTED)
    assert cost(agent_client, reverse(page)) == once


def test_the_page_of_a_reservation_costs_the_same_for_one_day_and_two(asks, books, waits, agent_client):
    one, two = asks(books, THURSDAY), asks(waits, THURSDAY, FRIDAY)
    costs = [
        cost(agent_client, reverse("admin:reservations_reservation_change", args=[row.pk]))
        for row in (one, two)
    ]
    assert costs[0] == costs[1]


def test_the_page_of_an_activity_costs_the_same_for_one_formula_and_ten(canteen, agent_client):
    url = reverse("admin:reservations_activity_change", args=[canteen.activity.pk])
    once = cost(agent_client, url)
    for number in range(9):
        canteen.activity.formulas.create(code=f"f{number}", name=f"Formule {number}", parts=["noon"])
        canteen.activity.capacities.create(
            establishment=canteen.restaurant,
            part="noon",
            formula=canteen.activity.formulas.get(code=f"f{number}"),
            places=10,
        )
    assert cost(agent_client, url) == once
