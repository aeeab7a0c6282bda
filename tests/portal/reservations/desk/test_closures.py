"""Closing days: whom it concerns is said first, then they are cancelled and told."""

from datetime import date

import pytest
from django.urls import reverse

from portal.reservations.models import Booking, Closure, Slot
from portal.reservations.states import BookingState
from tests.conftest import FRIDAY, THURSDAY
from tests.portal.reservations.desk.test_queues import said

ADD = "admin:reservations_closure_add"


@pytest.fixture
def typed():
    return {
        "starts_on": THURSDAY.strftime("%d/%m/%Y"),
        "ends_on": THURSDAY.strftime("%d/%m/%Y"),
        "why": "strike",
        "label": "Grève du personnel",
        "_save": "Enregistrer",
    }


def test_a_closure_says_first_whom_it_concerns(asks, books, waits, typed, agent_client):
    asks(books, THURSDAY, FRIDAY, on_request=False)
    asks(waits, THURSDAY, on_request=False)
    question = agent_client.post(reverse(ADD), typed)
    assert "2 réservations seront annulées sans frais, 2 familles seront prévenues" in question.text
    assert not Closure.objects.exists()
    assert set(Booking.objects.values_list("state", flat=True)) == {BookingState.ACCEPTED}


def test_once_confirmed_it_cancels_those_days_only(asks, books, typed, agent, agent_client):
    asks(books, THURSDAY, FRIDAY, on_request=False)
    answer = agent_client.post(reverse(ADD), typed | {"_closing_confirmed": "1"})
    assert "1 réservation annulée sans frais ; les familles sont prévenues." in said(answer)
    assert dict(Booking.objects.values_list("day", "state")) == {
        THURSDAY: BookingState.CANCELLED,
        FRIDAY: BookingState.ACCEPTED,
    }
    event = Booking.objects.get(day=THURSDAY).events.last()
    assert event.by == agent
    assert "Grève du personnel" in event.reason


def test_a_closure_that_concerns_nobody_is_saved_at_once(canteen, typed, agent_client):
    agent_client.post(reverse(ADD), typed)
    assert Closure.objects.get().label == "Grève du personnel"


def test_a_wrong_closure_comes_back_with_its_mistakes(asks, books, typed, agent_client):
    asks(books, THURSDAY, on_request=False)
    typed["ends_on"] = "01/11/2026"
    page = agent_client.post(reverse(ADD), typed)
    assert "La fermeture doit finir après son premier jour." in page.text
    assert "Grève du personnel" in page.text
    assert not Closure.objects.exists()


def test_opening_a_closed_day_makes_its_slots(canteen, typed, agent_client):
    wednesday = date(2026, 11, 11)
    typed |= {"starts_on": "11/11/2026", "ends_on": "11/11/2026", "opens": "on", "label": "Accueil ouvert"}
    answer = agent_client.post(reverse(ADD), typed)
    assert "1 créneau ouvert à la réservation." in said(answer)
    assert Slot.objects.filter(day=wednesday).count() == 1


def test_deleting_a_closure_says_that_nothing_comes_back(canteen, agent_client):
    closure = Closure.objects.create(starts_on=THURSDAY, ends_on=THURSDAY)
    answer = agent_client.post(
        reverse("admin:reservations_closure_delete", args=[closure.pk]), {"post": "yes"}
    )
    assert any("le restent" in text for text in said(answer))


def test_the_accountant_closes_nothing(asks, books, typed, regie_client):
    asks(books, THURSDAY, on_request=False)
    assert regie_client.post(reverse(ADD), typed).status_code == 403


def test_an_opening_is_not_called_a_closure(db):
    opening = Closure(starts_on=THURSDAY, ends_on=THURSDAY, opens=True)
    assert str(opening) == f"Ouverture exceptionnelle ({THURSDAY:%d/%m/%Y})"
    opening.label = "Rattrapage du pont"
    assert str(opening).startswith("Rattrapage du pont")
