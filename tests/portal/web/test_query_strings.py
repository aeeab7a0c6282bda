"""Addresses made to break something get a plain answer, never an error of the server."""

import pytest

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "query",
    [
        "etat=%00",
        "action__exact=a%00b",
        "%00=1",
        f"day__year={'9' * 30}",
        "day__year=2147483648",
    ],
)
def test_no_query_string_breaks_a_list_of_the_desk(agent_client, query):
    assert agent_client.get(f"/mairie/reservations/reservationline/?{query}").status_code == 400


@pytest.mark.parametrize(
    "query", ["day__year=2026", "day__year=%C2%B2", "day__year=0", "day__year=x", "q=%C2%B2", f"q={'9' * 30}"]
)
def test_what_is_only_odd_leads_to_the_list(agent_client, query):
    page = agent_client.get(f"/mairie/reservations/reservationline/?{query}", follow=True)
    assert page.status_code == 200


@pytest.mark.parametrize("path", ["/media/%00", "/reservations/%00/toutes/", "/confirmer-mon-adresse/%00/"])
def test_nor_does_an_address(agent_client, path):
    assert agent_client.get(path).status_code in (400, 404)
