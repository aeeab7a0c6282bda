"""A family ends an enrolment where its activity allows it, reads that it does, takes it up, enrols again."""

from datetime import date, timedelta
from html import unescape

import pytest
import time_machine

from portal.reservations.acts import ending, enrolling
from portal.reservations.acts.ending import Ending
from portal.reservations.models import Activity, Booking, Enrolment
from tests.conftest import FRIDAY, NOW, THURSDAY
from tests.portal.reservations.audit import reserve

LAST = date(2026, 11, 20)


@pytest.fixture
def allowed(canteen):
    Activity.objects.filter(pk=canteen.activity.pk).update(families_end=True)


@pytest.fixture
def address(books) -> str:
    return f"/inscriptions/{books.enrolment.pk}/fin/"


@pytest.fixture
def own_page(books) -> str:
    return f"/cantine/inscriptions/{books.enrolment.pk}/"


def form(**given):
    return {"last_day": LAST.isoformat(), "reason": "Déménagement."} | given


def seen(response) -> str:
    return str(response.context["seen"])


def test_what_changes_is_shown_then_confirmed(allowed, books, canteen, now, books_client, address, own_page):
    reserve(books, canteen, THURSDAY, FRIDAY, at=now)
    assert "Mettre fin à cette inscription" in unescape(books_client.get(own_page).text)
    assert "Voir ce qui change" in unescape(books_client.get(address).text)
    preview = books_client.post(address, form())
    assert "2 réservations après le 20 novembre 2026 seront annulées, sans frais" in unescape(preview.text)
    assert Enrolment.objects.get().ends_on is None
    answer = books_client.post(address, form(vu=seen(preview)), follow=True)
    assert answer.redirect_chain == [(own_page, 302)]
    assert "Se termine le 20 novembre 2026 : déménagement." in unescape(answer.text)
    ended = Enrolment.objects.get()
    assert (ended.ends_on, ended.ended_by) == (LAST, books.user)
    assert set(Booking.objects.values_list("state", flat=True)) == {"cancelled"}
    assert "Se termine le 20 novembre 2026 : déménagement." in unescape(books_client.get("/").text)


def test_what_changed_in_between_is_shown_again(allowed, books, canteen, now, books_client, address):
    preview = books_client.post(address, form())
    reserve(books, canteen, FRIDAY, at=now)
    again = books_client.post(address, form(vu=seen(preview)))
    assert "a changé depuis que vous l'avez vu" in unescape(again.text)
    assert Enrolment.objects.get().ends_on is None


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"last_day": ""}, "Champ à remplir : dernier jour."),
        ({"reason": ""}, "Champ à remplir : motif."),
        ({"last_day": "2026-11-08"}, "Choisissez aujourd'hui ou un jour à venir"),
        ({"last_day": "1926-11-20"}, "Vérifiez l'année"),
        ({"last_day": "le 20"}, "Saisissez une date valide"),
    ],
)
def test_what_is_missing_or_wrong_is_said(allowed, books_client, address, given, sentence):
    answer = books_client.post(address, form(**given) | {"vu": "x"})
    assert sentence in unescape(answer.text)
    assert Enrolment.objects.get().ends_on is None


def test_where_the_town_hall_ends_them_there_is_no_way(books_client, address, own_page):
    assert "Mettre fin" not in unescape(books_client.get(own_page).text)
    answer = books_client.post(address, form(vu="x"), follow=True)
    assert "La mairie met fin à cette inscription" in unescape(answer.text)
    assert Enrolment.objects.get().ends_on is None


def test_strangers_find_nothing(allowed, stranger_client, books, address):
    assert stranger_client.get(address).status_code == 404
    assert stranger_client.post(address, form()).status_code == 404
    assert stranger_client.post(f"/inscriptions/{books.enrolment.pk}/reprendre/").status_code == 404


def test_it_is_taken_up_again_from_its_page(allowed, books, books_client, own_page, now):
    ending.end(books.enrolment, Ending(LAST, "Erreur.", by_family=True), by=books.user, at=now)
    page = unescape(books_client.get(own_page).text)
    assert "Reprendre l'inscription" in page and "ne reviennent pas d'eux-mêmes" in page
    answer = books_client.post(f"/inscriptions/{books.enrolment.pk}/reprendre/", follow=True)
    assert "continue. Les jours annulés ne reviennent pas d'eux-mêmes" in unescape(answer.text)
    assert Enrolment.objects.get().ends_on is None
    assert "Se termine" not in unescape(books_client.get(own_page).text)


def test_what_the_town_hall_ended_is_read_and_not_taken_up(
    allowed, books, agent, books_client, own_page, now
):
    ending.end(books.enrolment, Ending(LAST, "Impayés."), by=agent, at=now)
    page = unescape(books_client.get(own_page).text)
    assert "Se termine le 20 novembre 2026 : impayés." in page
    assert "Reprendre l'inscription" not in page and "Changer la date de fin" not in page
    books_client.post(f"/inscriptions/{books.enrolment.pk}/reprendre/")
    assert Enrolment.objects.get().ends_on == LAST


def test_once_over_it_is_read_with_its_reason_and_one_enrols_again_with_the_same_answers(
    books, canteen, agent, year, own_page
):
    with time_machine.travel(NOW, tick=False):
        ending.end(books.enrolment, Ending(LAST, "Déménagement."), by=agent, at=NOW)
    with time_machine.travel(NOW + timedelta(days=14), tick=False):
        enrolling.finish(Enrolment.objects.all(), at=NOW + timedelta(days=14))
        client = books.client()
        assert "Terminée le 20 novembre 2026 : déménagement." in unescape(client.get("/").text)
        again = again_url(books.enrolment)
        assert again in unescape(client.get(own_page).text)
        form = client.get(again).context["form"]
        initial = form.initial
        assert (initial["restaurant"], initial["weekdays"]) == (canteen.restaurant.pk, 0b11111)
        assert initial["starts_on"] == "2026-11-23"
        assert initial["school_class"] and form["diet"].initial


def test_its_history_tells_the_end_and_who_said_it(books, agent, now, books_client):
    ending.end(books.enrolment, Ending(LAST, "Déménagement."), by=agent, at=now)
    page = unescape(books_client.get("/mon-historique/").text)
    assert "fin de l'inscription le 20 novembre 2026" in page and "la mairie" in page


def again_url(one: Enrolment) -> str:
    """Where an enrolment that is over is corrected and sent again, for its own year."""
    return f"/cantine/inscription/enfant/{one.child_id}/?annee={one.school_year_id}&reprise={one.pk}"


# Refused: corrected and sent again --------------------------------------------------------------------------


@pytest.fixture
def refused(books, agent, now) -> Enrolment:
    Enrolment.objects.update(state="requested", weekdays=0b01001)
    enrolling.refuse(books.enrolment, reason="Ce restaurant est complet.", by=agent, at=now)
    return Enrolment.objects.get()


def test_home_says_why_and_leads_to_what_was_sent(refused, books, canteen, books_client):
    again = again_url(refused)
    home = unescape(books_client.get("/").text)
    assert "Motif : Ce restaurant est complet." in home
    assert f'href="{again}">Corriger et renvoyer' in home
    page = books_client.get(again)
    assert "Refusée par la mairie : Ce restaurant est complet." in unescape(page.text)
    sent = page.context["form"].initial
    assert (sent["restaurant"], sent["weekdays"], sent["starts_on"]) == (
        canteen.restaurant.pk,
        0b01001,
        "2026-11-09",
    )
    posted = {
        "school": sent["school"],
        "school_class": sent["school_class"],
        "restaurant": sent["restaurant"],
        "diet": page.context["form"]["diet"].initial,
        "starts_on": sent["starts_on"],
        "weekdays": ["0", "3"],
    }
    assert books_client.post(again, posted).status_code == 302
    assert Enrolment.objects.live().get().weekdays == 0b01001
    assert "Corriger et renvoyer" not in unescape(books_client.get("/").text)


def test_only_what_is_over_and_of_that_child_is_taken_up(
    refused, books, waits, stranger, books_client, stranger_client
):
    theirs = f"/cantine/inscription/enfant/{stranger.child.pk}/?reprise={refused.pk}"
    assert stranger_client.get(theirs).context["before"] is None
    for number in (waits.enrolment.pk, "x", "", "9" * 30, "-1"):
        page = books_client.get(f"/cantine/inscription/enfant/{books.child.pk}/?reprise={number}")
        assert (page.status_code, page.context["before"]) == (200, None)


def test_the_letter_says_what_to_do_next(books, agent, now, mailoutbox, django_capture_on_commit_callbacks):
    Enrolment.objects.update(state="requested")
    with django_capture_on_commit_callbacks(execute=True):
        enrolling.refuse(books.enrolment, reason="Complet.", by=agent, at=now)
    assert "Vous pouvez la corriger et la renvoyer" in mailoutbox[0].body
