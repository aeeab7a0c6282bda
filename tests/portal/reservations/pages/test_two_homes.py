"""Who belongs to two households: the planning and the answers are of the one that they were opened for."""

import pytest
from django.test import Client
from django.urls import reverse

from portal.reservations.acts import emails
from portal.reservations.models import Booking
from tests.conftest import Family, logged_in
from tests.factories import GuardianFactory
from tests.families.conftest import text_of
from tests.portal.reservations.audit import MONDAY, reserve, states


@pytest.fixture
def camille(books: Family, waits: Family) -> Client:
    """Camille Roux is one of the Petits, too; the Roux are shown."""
    GuardianFactory(household=waits.household, user=books.user, first_name="Camille", last_name="Roux")
    return logged_in(books.user)


def test_a_planning_shows_its_household_and_each_child_once(camille, books, waits, canteen):
    address = reverse(
        "catering:planning", args=[waits.enrolment.pk, canteen.restaurant.pk, canteen.period.pk]
    )
    page = camille.get(address)
    assert page.status_code == 200
    shown = text_of(page)
    assert f"Passer au foyer n° {books.household.number}" in shown
    assert "Noé" in shown and "Lina" not in shown
    assert "Noé" in text_of(camille.get("/"))


@pytest.mark.usefixtures("books_kept")
def test_a_wait_is_left_for_the_household_of_its_page(camille, books, waits, canteen, shut, now):
    shut(MONDAY, 1)
    reserve(books, canteen, MONDAY, at=now)
    reserve(waits, canteen, MONDAY, at=now, wait=True)
    address = reverse("reservations:place", args=[Booking.objects.get(child=waits.child).pk])
    assert f'name="foyer" value="{waits.household.pk}"' in text_of(camille.get(address))
    camille.post(address, {"reponse": "quitter", "foyer": waits.household.pk})
    assert states(waits, MONDAY) == ["cancelled"]


def test_the_letter_of_an_offer_leads_to_its_household(
    camille, books, waits, canteen, now, mailoutbox, django_capture_on_commit_callbacks
):
    reserve(waits, canteen, MONDAY, at=now)
    booking = Booking.objects.get(child=waits.child)
    Booking.objects.filter(pk=booking.pk).update(state="offered", offered_until=now)
    with django_capture_on_commit_callbacks(execute=True):
        emails.offered(waits.household.pk, [booking.pk])
    mine = next(one for one in mailoutbox if one.to == [books.user.email])
    assert f"/attente/{booking.pk}/?foyer={waits.household.pk}" in mine.body
