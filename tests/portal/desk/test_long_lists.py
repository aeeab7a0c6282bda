"""Long lists: counted as far as anybody looks, with dates that need no row to be read."""

import re
from html import unescape

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from portal.desk import long_lists
from portal.reservations.models import Booking
from portal.reservations.states import BookingState
from tests.conftest import FRIDAY, THURSDAY

LIST = "admin:reservations_booking_changelist"


@pytest.fixture
def booked(asks, books, waits):
    asks(books, THURSDAY, FRIDAY, on_request=False)
    asks(waits, THURSDAY, on_request=False)


def dates(client, query="") -> list[str]:
    page = client.get(reverse(LIST) + query).content.decode()
    menu = page[page.index('<nav class="toplinks">') :].partition("</nav>")[0]
    return [" ".join(unescape(one).split()) for one in re.findall(r"<a[^>]*>([^<]*)</a>", menu)]


def test_dates_lie_between_the_first_and_the_last(booked, agent_client):
    # Both are in one month: its days are offered at once.
    assert dates(agent_client) == ["‹ 2026", "26 novembre", "27 novembre"]
    Booking.objects.filter(day=FRIDAY).update(day=FRIDAY.replace(year=2027, month=2))
    assert dates(agent_client) == ["2026", "2027"]
    assert dates(agent_client, "?day__year=2026") == ["‹ Toutes les dates", "Novembre 2026", "Décembre 2026"]
    assert dates(agent_client, "?day__year=2027&day__month=2")[-1] == "27 février"
    assert dates(agent_client, "?day__year=2026&day__month=11&day__day=26") == ["‹ Novembre 2026"]


def test_a_menu_of_dates_keeps_the_filters_of_its_list(booked, agent_client):
    page = agent_client.get(reverse(LIST) + "?state__exact=accepted&day__year=2026").content.decode()
    assert "?day__month=11&amp;day__year=2026&amp;state__exact=accepted" in page


def test_without_a_row_there_is_no_menu(canteen, agent_client):
    assert "toplinks" not in agent_client.get(reverse(LIST)).content.decode()


def test_a_menu_of_dates_costs_one_query_and_reads_no_row(booked, agent_client):
    agent_client.get(reverse(LIST))
    with CaptureQueriesContext(connection) as queries:
        agent_client.get(reverse(LIST))
    of_days = [one["sql"] for one in queries if 'MIN("reservations_booking"."day")' in one["sql"]]
    assert len(of_days) == 1
    # But for trial households, which no list knows, it takes the first and the last of an index.
    assert of_days[0].count("WHERE") == 2
    assert of_days[0].endswith('NOT IN (SELECT id FROM "families_household" WHERE "trial")')
    assert not any("DISTINCT" in one["sql"] and "reservations_booking" in one["sql"] for one in queries)


def test_a_list_is_counted_as_far_as_anybody_looks(booked, agent_client, monkeypatch):
    assert re.search(r"\n3 présences réservées", agent_client.get(reverse(LIST)).content.decode())
    monkeypatch.setattr(long_lists, "MOST", 2)
    assert "plus de 2 présences réservées" in agent_client.get(reverse(LIST)).content.decode()


def test_no_action_takes_all_of_what_nobody_counted(booked, agent_client, monkeypatch):
    monkeypatch.setattr(long_lists, "MOST", 2)
    posted = {
        "action": "cancel_selected",
        "select_across": "1",
        "_selected_action": [str(Booking.objects.earliest("pk").pk)],
        "reason_given": "1",
        "reason": "Annulé à la demande de la famille.",
    }
    answer = agent_client.post(reverse(LIST), posted, follow=True)
    assert "restreignez d'abord la liste" in answer.content.decode().replace("&#x27;", "'")
    assert set(Booking.objects.values_list("state", flat=True)) == {BookingState.ACCEPTED}


def found(client, typed: str) -> list[str]:
    page = client.get(reverse(LIST), {"q": typed})
    return sorted({row.child.first_name for row in page.context["cl"].result_list})


def test_children_are_found_first_then_their_days(booked, books, waits, agent_client, monkeypatch):
    first, last = books.child.first_name, books.child.last_name
    assert found(agent_client, f"{last} {first}".upper()) == [first]
    assert found(agent_client, f"{first} {books.household.pk}") == [first]
    assert found(agent_client, f"{first} {waits.household.pk}") == []
    assert found(agent_client, "nobody of this name") == []
    assert len(found(agent_client, "")) == 2
    with CaptureQueriesContext(connection) as queries:
        found(agent_client, first)
    assert not [one for one in queries if " LIKE " in one["sql"] and "reservations_booking" in one["sql"]]
    # Of a name that half a town bears, the database decides itself.
    monkeypatch.setattr("portal.desk.lists.ChildSearch.most_children", 0)
    assert found(agent_client, first) == [first]
