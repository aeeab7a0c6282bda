"""« Changements d'école ou de lieu » at the desk: asked before it is done, days left decided in one place."""

import html

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from portal.reservations.acts import moving
from portal.reservations.models import Booking, Enrolment, LeftDay, Move, Schooling, Slot
from portal.reservations.states import BookingState, LeftState, MoveState
from tests.conftest import FRIDAY, THURSDAY
from tests.factories import ChildFactory, EnrolmentFactory, SchoolingFactory
from tests.portal.reservations.audit import reserve
from tests.portal.reservations.desk.test_queues import said

ADD, LIST = "admin:reservations_move_add", "admin:reservations_move_changelist"


@pytest.fixture
def typed(books, mill):
    return {
        "child": books.child.pk,
        "school_class": mill.school_class.pk,
        "place": "",
        "since": THURSDAY.isoformat(),
        "_save": "Enregistrer",
    }


@pytest.fixture
def full(books, canteen, mill, now):
    """Thursday and Friday are booked; on Friday there is no room at the new restaurant."""
    Slot.objects.filter(pk=mill.slot(FRIDAY).pk).update(capacity=0)
    reserve(books, canteen, THURSDAY, FRIDAY, at=now)


def decide(client, move: Move, action: str, **more):
    chosen = {"action": action, "_selected_action": [move.pk]}
    return client.post(reverse(LIST) + "?etat=tous", chosen | more)


def test_the_desk_reads_what_will_follow_before_anything_is_written(full, books, typed, agent_client):
    question = agent_client.post(reverse(ADD), typed)
    assert "1 jour réservé suit." in question.text
    assert "1 jour n’a pas pu suivre : complet le vendredi 27 novembre." in question.text
    assert not Move.objects.exists()
    assert not Enrolment.objects.filter(moves_on__isnull=False).exists()
    answer = agent_client.post(reverse(ADD), typed | {"_move_confirmed": "1"}, follow=True)
    assert "1 jour réservé a suivi ; les familles sont prévenues." in said(answer)
    move = Move.objects.get()
    page = agent_client.get(reverse("admin:reservations_move_change", args=[move.pk])).text
    assert "complet le vendredi 27 novembre" in page
    assert "Mettre en liste d" in page


def test_what_cannot_be_done_is_said_on_the_form(books, stranger, typed, mill, agent_client):
    for wrong, sentence in (
        ({"child": stranger.child.pk}, "ne concerne aucune inscription acceptée"),
        ({"school_class": "", "place": ""}, "Choisissez une classe, un établissement, ou les deux."),
        ({"since": "2027-08-01"}, "Ce jour n'est pas dans l'année 2026-2027."),
    ):
        page = agent_client.post(reverse(ADD), typed | wrong)
        assert sentence in html.unescape(str(page.context["errors"]))
    assert not Move.objects.exists()


def test_a_change_of_class_takes_days_along_and_refuses_what_it_cannot_choose(
    full, books, mill, canteen, agent_client
):
    schooling = Schooling.objects.get(child=books.child)
    address = reverse("admin:reservations_schooling_change", args=[schooling.pk])
    given = {"school_class": mill.school_class.pk, "since": THURSDAY.isoformat(), "_save": "1"}
    answer = agent_client.post(address, given, follow=True)
    assert any("1 jour n’a pas pu suivre" in one for one in said(answer))
    assert Booking.objects.live().get().establishment == mill.restaurant


def test_the_queues_lead_to_what_families_ask_and_to_days_left(full, books, mill, now, agent, agent_client):
    move = moving.ask(
        books.enrolment,
        establishment=mill.restaurant,
        school_class=mill.school_class,
        since=THURSDAY,
        by=books.user,
        at=now,
    )
    desk = agent_client.get(reverse("admin:index")).text
    assert "Changements d&#x27;école ou de lieu à traiter" in desk
    decide(agent_client, move, "accept_selected")
    move.refresh_from_db()
    assert (move.state, move.decided_by) == (MoveState.ACCEPTED, agent)
    left = agent_client.get(reverse(LIST) + "?jours=a-decider&etat=tous").text
    assert "1 jour n’a pas pu suivre : complet le vendredi 27 novembre" in left
    decide(agent_client, move, "wait_selected")
    assert LeftDay.objects.get().state == LeftState.WAITING
    assert Booking.objects.live().get(day=FRIDAY).state == BookingState.WAITLISTED


def test_a_refusal_and_days_left_cancelled_want_a_reason(full, books, mill, now, agent, agent_client):
    asked = {"establishment": mill.restaurant, "since": THURSDAY, "by": books.user, "at": now}
    move = moving.ask(books.enrolment, **asked)
    assert "Indiquez le motif" in decide(agent_client, move, "refuse_selected", reason_given="1").text
    decide(agent_client, move, "refuse_selected", reason_given="1", ready="autre", words="Pas de place.")
    move.refresh_from_db()
    assert (move.state, move.refusal_reason) == (MoveState.REFUSED, "Pas de place.")
    moving.carry_out(books.child, moving.Change(THURSDAY, mill.school_class), by=agent, at=now)
    last = Move.objects.latest("pk")
    decide(agent_client, last, "drop_selected", reason_given="1", ready="autre", words="Complet.")
    assert LeftDay.objects.get().state == LeftState.DROPPED


@pytest.mark.parametrize("count", [1, 10])
def test_the_list_costs_the_same_whatever_it_shows(
    books, canteen, mill, school_class, year, now, agent, agent_client, count
):
    for _ in range(count):
        child = ChildFactory(households=[books.household])
        SchoolingFactory(child=child, school_class=school_class, school_year=year)
        EnrolmentFactory(
            household=books.household,
            child=child,
            activity=canteen.activity,
            establishment=canteen.restaurant,
            school_year=year,
        )
        moving.carry_out(child, moving.Change(FRIDAY, mill.school_class), by=agent, at=now)
    agent_client.get(reverse(LIST) + "?etat=tous")
    with CaptureQueriesContext(connection) as counted:
        page = agent_client.get(reverse(LIST) + "?etat=tous")
    assert page.text.count("Restaurant de la Grange") + page.text.count("CE1, École du Moulin-Vert") >= count
    assert len(counted) <= 12


def test_who_came_from_a_household_s_page_goes_back_to_it(books, stranger, typed, agent_client):
    home = reverse("admin:families_household_change", args=[books.household.pk])
    way = f"{reverse(ADD)}?child={books.child.pk}&foyer={books.household.pk}"
    assert way.replace("&", "&amp;") in agent_client.get(home).text
    assert 'name="since" value="2026-11-09"' in agent_client.get(way).text
    done = agent_client.post(way, typed | {"_move_confirmed": "1"})
    assert done.url == home
    for wrong in ("abc", "99999999999999999999", "0"):
        Move.objects.all().delete()
        other = agent_client.post(f"{reverse(ADD)}?foyer={wrong}", typed | {"_move_confirmed": "1"})
        assert other.status_code in (200, 302)
