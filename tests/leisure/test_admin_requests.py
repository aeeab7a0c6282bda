"""Requests for a holiday, put in order, granted after a preview; waiting lists."""

import re
from datetime import date
from decimal import Decimal

import pytest
from django.contrib.messages import get_messages
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from families.models import Household
from leisure import answering
from leisure.criteria import RequestOrder
from portal.reservations.acts import booking, opening
from portal.reservations.models import Activity, Booking, ReservationLine, Slot
from portal.reservations.states import BookingState, Outcome
from tests.conftest import family
from tests.factories import (
    BookingFactory,
    ChildFactory,
    EnrolmentFactory,
    QuotientFactory,
    ReservationFactory,
    ReservationLineFactory,
)
from tests.leisure.desk_cast import MONDAY, TUESDAY, asks_for, camp

__all__ = ["asks_for", "camp"]

PAGE = reverse("admin:leisure_requests")


@pytest.fixture
def ana(camp, asks_for):
    """Lives elsewhere, asked first."""
    who = family("ana", "Ana", "Alma")
    Household.objects.filter(pk=who.household.pk).update(resident=False)
    asks_for(who, MONDAY, TUESDAY)
    return who


@pytest.fixture
def bo(camp, asks_for, ana):
    """Of the town, asked second."""
    who = family("bo", "Bo", "Basile")
    asks_for(who, MONDAY)
    return who


def rows(text: str) -> list[str]:
    return re.findall(r'<label for="ligne-\d+">([^<]+)</label>', text)


def lines(day: date = MONDAY) -> list[int]:
    return list(ReservationLine.objects.filter(day=day).order_by("pk").values_list("pk", flat=True))


def seen(page) -> str:
    return re.search(r'name="vu" value="(\w+)"', page.text)[1]


def grant(client, ids, query=""):
    page = client.post(PAGE + query, {"ligne": ids, "vers": "apercu"})
    return client.post(PAGE + query, {"ligne": ids, "vers": "accepter", "vu": seen(page)})


def said(response) -> list[str]:
    return [str(message) for message in get_messages(response.wsgi_request)]


def test_requests_stand_by_day_with_free_places_beside(ana, bo, agent_client):
    page = agent_client.get(PAGE).text
    assert rows(page) == ["Alma Ana", "Basile Bo", "Alma Ana"]
    assert "Lundi 23 novembre 2026, Centre des Roseaux" in page
    assert "matin : 1 libre sur 1, après-midi : 1 libre sur 1" in page
    assert page.count("serait acceptée") == 2
    assert page.count("irait en liste d&#x27;attente") == 1
    assert "Vacances – Novembre (3 demandes, 0 en attente)" in page


def test_another_order_shows_who_would_be_served_then(ana, bo, agent_client):
    page = agent_client.get(PAGE, {"ordre": "commune"}).text
    assert rows(page) == ["Basile Bo", "Alma Ana", "Alma Ana"]
    assert "hors commune" in page
    assert "D&#x27;abord les familles de la commune. À égalité, l&#x27;ordre d&#x27;arrivée." in page


def test_nothing_is_written_before_the_preview_is_confirmed(ana, bo, agent_client):
    page = agent_client.post(PAGE + "?ordre=commune", {"ligne": lines(), "vers": "apercu"})
    assert "<strong>1 sur 2</strong>" in page.text
    assert set(Booking.objects.values_list("state", flat=True)) == {BookingState.REQUESTED}


def test_confirming_grants_in_that_order(ana, bo, agent_client, agent):
    answer = grant(agent_client, lines(), "?ordre=commune")
    assert answer.url == PAGE + "?ordre=commune"
    assert said(answer) == ["1 jour accepté, 1 en liste d'attente : le lundi 23 novembre est complet."]
    states = dict(Booking.objects.filter(day=MONDAY).values_list("child__last_name", "state"))
    assert states == {"Bo": BookingState.ACCEPTED, "Ana": BookingState.WAITLISTED}
    assert set(Slot.objects.filter(day=MONDAY).values_list("taken", flat=True)) == {1}


def test_a_preview_that_no_longer_holds_is_shown_again(ana, bo, camp, agent_client, year):
    page = agent_client.post(PAGE, {"ligne": lines(), "vers": "apercu"})
    third = family("cy", "Cy", "Colin")
    enrolment = EnrolmentFactory(
        household=third.household,
        child=third.child,
        activity=camp.activity,
        establishment=camp.centre,
        school_year=year,
    )
    BookingFactory(enrolment=enrolment, formula=camp.formula, day=MONDAY)
    again = agent_client.post(PAGE, {"ligne": lines(), "vers": "accepter", "vu": seen(page)})
    assert "La situation a changé depuis l&#x27;aperçu" in again.text
    assert "<strong>0 sur 2</strong>" in again.text
    assert Booking.objects.accepted().count() == 1
    agent_client.post(PAGE, {"ligne": lines(), "vers": "accepter", "vu": seen(again)})
    assert Booking.objects.filter(state=BookingState.WAITLISTED).count() == 2


def test_answering_twice_changes_nothing_more(ana, bo, agent_client):
    page = agent_client.post(PAGE, {"ligne": lines(), "vers": "apercu"})
    confirmed = {"ligne": lines(), "vers": "accepter", "vu": seen(page)}
    agent_client.post(PAGE, confirmed)
    answer = agent_client.post(PAGE, confirmed)
    assert said(answer)[-1] == "Aucune demande n'est cochée, ou elles sont déjà traitées."
    assert Booking.objects.accepted().count() == 1


def test_a_brother_who_has_a_place_counts(ana, bo, camp, asks_for, year, agent_client):
    brother = ChildFactory(first_name="Bruno", last_name="Bo", households=[bo.household])
    Slot.objects.filter(day=MONDAY).update(capacity=2)
    enrolment = EnrolmentFactory(
        household=bo.household,
        child=brother,
        activity=camp.activity,
        establishment=camp.centre,
        school_year=year,
    )
    BookingFactory(enrolment=enrolment, formula=camp.formula, day=MONDAY)
    page = agent_client.get(PAGE, {"ordre": "fratrie"}).text
    assert rows(page)[:2] == ["Basile Bo", "Alma Ana"]
    assert "fratrie accueillie" in page


def test_the_quotient_in_force_counts(ana, bo, agent_client):
    for who, value, first in ((ana, "800", 2026), (bo, "400", 2026), (ana, "100", 2027)):
        QuotientFactory(
            household=who.household, value=Decimal(value), valid_from=date(first, 1, 1), valid_to=None
        )
    page = agent_client.get(PAGE, {"ordre": "quotient"}).text
    assert rows(page)[:2] == ["Basile Bo", "Alma Ana"]
    assert "quotient 400" in page and "quotient 800" in page


def test_refusing_asks_for_a_reason_first(ana, bo, agent_client):
    question = agent_client.post(PAGE, {"ligne": lines(TUESDAY), "vers": "refuser"})
    assert "Alma Ana, Journée, mardi 24 novembre" in question.text
    empty = agent_client.post(PAGE, {"ligne": lines(TUESDAY), "vers": "confirmer-refus"})
    assert "Indiquez le motif" in empty.text
    answer = agent_client.post(
        PAGE, {"ligne": lines(TUESDAY), "vers": "confirmer-refus", "words": "Sortie complète."}
    )
    assert said(answer) == ["1 jour refusé."]
    refused = ReservationLine.objects.get(day=TUESDAY)
    assert (refused.outcome, refused.reason) == (Outcome.REFUSED, "Sortie complète.")


def test_the_waiting_list_keeps_its_order_and_more_places_serve_it(ana, bo, camp, agent_client, now):
    Slot.objects.filter(day=MONDAY).update(capacity=0)
    grant(agent_client, lines(), "?ordre=commune")
    page = agent_client.get(PAGE, {"liste": "attente"}).text
    assert rows(page) == ["Basile Bo", "Alma Ana"]
    assert "resterait en liste d&#x27;attente" in page
    assert opening.resize(Slot.objects.filter(day=MONDAY), 1, at=now) == 1
    (served,) = Booking.objects.accepted()
    assert served.child == bo.child


def test_a_place_may_be_given_to_one_who_waits(ana, bo, camp, agent_client):
    Slot.objects.filter(day=MONDAY).update(capacity=0)
    grant(agent_client, lines())
    # Past the verb that promotes, as when a town corrects rows by hand.
    Slot.objects.filter(day=MONDAY).update(capacity=1)
    second = ReservationLine.objects.get(day=MONDAY, reservation__child=bo.child)
    answer = grant(agent_client, [second.pk], "?liste=attente")
    assert said(answer)[-1] == "1 jour accepté."
    (served,) = Booking.objects.accepted()
    assert served.child == bo.child


@pytest.mark.parametrize(
    "asked",
    [
        {"periode": "999"},
        {"periode": "x"},
        {"ordre": "tirage"},
        {"liste": "x"},
        {"centre": "999"},
        {"du": "hier"},
        {"au": "0001-01-01"},
    ],
)
def test_a_wrong_choice_is_said_at_its_field(asked, ana, agent_client):
    page = agent_client.get(PAGE, asked)
    assert page.status_code == 200
    assert "errorlist" in page.text


@pytest.mark.parametrize("ticked", [[], ["x"], ["-1"], ["9" * 40], ["999999"]])
def test_ticks_of_nothing_do_nothing(ticked, ana, bo, agent_client):
    for go in ("apercu", "accepter", "refuser", "confirmer-refus", "n'importe"):
        answer = agent_client.post(PAGE, {"ligne": ticked, "vers": go})
        assert answer.status_code == 302
    assert set(Booking.objects.values_list("state", flat=True)) == {BookingState.REQUESTED}


def test_lines_of_another_service_are_not_touched(ana, books, canteen, agent_client, now):
    Activity.objects.filter(pk=canteen.activity.pk).update(processing=Activity.Processing.ON_REQUEST)
    draft = ReservationFactory(enrolment=books.enrolment, period=canteen.period, created_by=books.user)
    meal = ReservationLineFactory(reservation=draft, formula=canteen.formula, day=MONDAY)
    booking.submit(draft, by=books.user, at=now)
    answer = agent_client.post(PAGE, {"ligne": [meal.pk], "vers": "apercu"})
    assert answer.status_code == 302
    assert agent_client.get(PAGE, {"periode": canteen.period.pk}).text.count("errorlist") == 1


def test_dates_and_centre_narrow_the_list(ana, bo, camp, agent_client):
    asked = {"du": TUESDAY.isoformat(), "au": TUESDAY.isoformat(), "centre": camp.centre.pk}
    assert rows(agent_client.get(PAGE, asked).text) == ["Alma Ana"]


def test_a_page_holds_whole_days(ana, bo, camp, agent_client, monkeypatch):
    monkeypatch.setattr(answering, "LINES_SHOWN", 2)
    page = agent_client.get(PAGE).text
    assert rows(page) == ["Alma Ana", "Basile Bo"]
    assert "1 autre jour" in page


def test_without_requests_the_page_says_so(camp, agent_client):
    assert "Aucune demande n’attend de réponse" in agent_client.get(PAGE).text


def test_who_may_not_decide_gets_nowhere(ana, regie_client, stranger_client):
    assert regie_client.get(PAGE).status_code == 403
    assert regie_client.post(PAGE, {"ligne": lines(), "vers": "apercu"}).status_code == 403
    assert stranger_client.get(PAGE).status_code == 302


def test_the_list_costs_the_same_for_one_request_and_ten(ana, camp, asks_for, agent_client, now):
    def cost() -> int:
        with CaptureQueriesContext(connection) as queries:
            found = answering.in_order(
                answering.asked(camp, Outcome.REQUESTED), RequestOrder.RESIDENTS_QUOTIENT, at=now
            )
            answering.by_day(found, camp)
        return len(queries)

    once = cost()
    for number in range(9):
        asks_for(family(f"f{number}", f"Famille {number}", "Sacha"), MONDAY, TUESDAY)
    assert once == cost() == 7
