"""A decision of « À traiter » is taken back for two minutes; until then nothing of it is done or told."""

from datetime import datetime, timedelta

import pytest
import time_machine
from django.contrib.auth.models import Group
from django.urls import reverse
from django_tasks_db.models import DBTaskResult

from families.models import ChangeRequest, Household
from portal.desk import held, queue, settling
from portal.models import HeldDecision
from portal.nightly import do_all
from portal.reservations.models import AbsenceCertificate, Booking, Enrolment, ReservationLine, Slot
from portal.reservations.staff import giving
from portal.reservations.states import BookingState, EnrolmentState, Outcome
from tests.conftest import FRIDAY, NOW, THURSDAY, Family, logged_in
from tests.factories import ChangeRequestFactory, GuardianFactory, HouseholdFactory, UserFactory
from tests.portal.desk.test_queue import QUEUE, answer, pile
from tests.portal.reservations.desk.test_queues import said

REFUSAL = {"ready": "autre", "words": "Plus de place."}


@pytest.fixture
def enrols(waits: Family) -> Enrolment:
    """Noé's enrolment at the canteen, asked for."""
    Enrolment.objects.filter(pk=waits.enrolment.pk).update(state=EnrolmentState.REQUESTED, requested_at=NOW)
    return Enrolment.objects.get(pk=waits.enrolment.pk)


@pytest.fixture
def second(agent):
    user = UserFactory(username="second", is_staff=True, first_name="Sacha", last_name="Deux")
    user.groups.add(Group.objects.get(name="Agent"))
    return logged_in(user)


@pytest.fixture
def certificate(books: Family) -> AbsenceCertificate:
    return AbsenceCertificate.objects.create(
        household=books.household,
        child=books.child,
        first_day=NOW.date(),
        last_day=NOW.date(),
        given_at=NOW,
        given_by=books.user,
    )


def later(**more: float) -> datetime:
    return NOW + timedelta(**more)


def state(enrolment: Enrolment) -> str:
    enrolment.refresh_from_db()
    return enrolment.state


def take_back(client, decision: HeldDecision):
    return client.post(QUEUE, {"reprendre": str(decision.pk)}, follow=True)


def settle(minutes: float) -> int:
    """What the worker does so many minutes later."""
    at = later(minutes=minutes)
    with time_machine.travel(at, tick=False):
        return settling.settle(at=at)


def test_a_decision_waits_two_minutes_and_is_then_done_by_who_took_it(
    enrols, agent, agent_client, mailoutbox, django_capture_on_commit_callbacks
):
    page = answer(agent_client, f"inscription-{enrols.pk}", "accept_selected")
    assert "<strong>Noé Petit</strong> : 1 inscription acceptée." in page.text
    assert "Reprendre la décision" in page.text and "encore <span data-left>2 min 00</span>" in page.text
    # Neither the family nor anybody else has anything yet; for the queue it waits no more.
    assert (state(enrols), mailoutbox, pile(agent_client)) == (EnrolmentState.REQUESTED, [], [])
    assert settle(1.9) == 0
    with django_capture_on_commit_callbacks(execute=True):
        assert settle(2) == 1
    assert (state(enrols), enrols.decided_by, enrols.decided_at) == (
        EnrolmentState.ACCEPTED,
        agent,
        later(minutes=2),
    )
    assert [one.subject for one in mailoutbox] == ["Inscription acceptée : Noé, Restauration scolaire"]
    assert enrols.history.first().history_user == agent
    # Done once.
    assert (settle(3), HeldDecision.objects.count()) == (0, 0)


def test_taken_back_it_waits_again_and_nobody_was_told(enrols, agent_client, mailoutbox):
    key = f"inscription-{enrols.pk}"
    answer(agent_client, key, "refuse_selected", **REFUSAL)
    # What the family would read is read once more.
    assert "1 inscription refusée. Motif\xa0: Plus de place." in agent_client.get(QUEUE).text
    page = take_back(agent_client, HeldDecision.objects.get())
    assert said(page) == [queue.TAKEN_BACK]
    assert page.context["shown"].key == key
    assert (settle(3), state(enrols), mailoutbox) == (0, EnrolmentState.REQUESTED, [])


def test_after_two_minutes_it_is_too_late(enrols, agent_client):
    answer(agent_client, f"inscription-{enrols.pk}", "accept_selected")
    decision = HeldDecision.objects.get()
    with time_machine.travel(later(minutes=2), tick=False):
        page = take_back(agent_client, decision)
        assert said(page) == [queue.TOO_LATE]
        # Whoever looks has it done, where the worker is late.
        assert state(enrols) == EnrolmentState.ACCEPTED


def test_only_who_took_it_takes_it_back(enrols, agent_client, second):
    answer(agent_client, f"inscription-{enrols.pk}", "accept_selected")
    decision = HeldDecision.objects.get()
    assert "Reprendre la décision" not in second.get(QUEUE).text
    assert said(take_back(second, decision)) == [queue.TOO_LATE]
    assert second.post(QUEUE, {"reprendre": "x"}, follow=True).status_code == 200
    assert HeldDecision.objects.filter(pk=decision.pk).exists()


def test_the_second_agent_is_told_of_the_decision_on_every_page(enrols, agent_client, second):
    key = f"inscription-{enrols.pk}"
    answer(agent_client, key, "accept_selected")
    told = "acceptée par Dominique Agent, définitive lundi 9 novembre à 10\xa0h\xa002"
    late = answer(second, key, "refuse_selected", **REFUSAL)
    assert [one for one in said(late) if told in one]
    where = reverse("admin:reservations_enrolment_change", args=[enrols.pk])
    page = second.get(where)
    assert said(page) == [
        f"Une décision est en cours\xa0: {told}. Jusque-là, qui l'a prise la reprend depuis « À traiter »."
    ]
    assert page.context["decisions"] == ()
    changelist = reverse("admin:reservations_enrolment_changelist")
    acted = {"action": "accept_selected", "_selected_action": str(enrols.pk), "select_across": "0"}
    assert told in said(second.post(changelist, acted))[0]
    assert state(enrols) == EnrolmentState.REQUESTED


def test_every_kind_can_be_taken_back(asks, books, enrols, agent_client, certificate):
    asks(books, THURSDAY)
    home = HouseholdFactory(state=Household.State.REQUESTED)
    change = ChangeRequestFactory(household=books.household)
    line = ReservationLine.objects.get()
    keys = {
        f"compte-{home.pk}": {},
        f"changement-{change.pk}": {},
        f"inscription-{enrols.pk}": {},
        f"jours-{line.reservation_id}": {"partie": str(line.pk)},
        f"justificatif-{certificate.pk}": {},
    }
    for key, more in keys.items():
        answer(agent_client, key, "refuse_selected", **REFUSAL, **more)
    decisions = list(HeldDecision.objects.all())
    assert len(decisions) == len(keys) and pile(agent_client) == []
    for one in decisions:
        take_back(agent_client, one)
    assert len(pile(agent_client)) == len(keys)
    for key, more in keys.items():
        answer(agent_client, key, "refuse_selected", **REFUSAL, **more)
    assert settle(2) == len(keys)
    home.refresh_from_db()
    change.refresh_from_db()
    certificate.refresh_from_db()
    line.refresh_from_db()
    assert home.state == Household.State.REFUSED
    assert change.state == ChangeRequest.State.REFUSED
    assert (line.outcome, line.reason) == (Outcome.REFUSED, "Plus de place.")
    assert certificate.refusal_reason == "Plus de place."
    assert state(enrols) == EnrolmentState.REFUSED


def test_what_would_be_otherwise_by_then_is_not_done_and_its_agent_is_told(
    asks, books, agent_client, mailoutbox
):
    """The last place goes to another child meanwhile: no family reads what no agent has."""
    asks(books, THURSDAY)
    line = ReservationLine.objects.get()
    answer(agent_client, f"jours-{line.reservation_id}", "accept_selected", partie=str(line.pk))
    Slot.objects.filter(day=THURSDAY).update(capacity=0)
    assert settle(2) == 0
    line.refresh_from_db()
    assert (line.outcome, mailoutbox) == (Outcome.REQUESTED, [])
    page = agent_client.get(QUEUE)
    assert said(page) == [
        "La décision sur Lina Roux n'a pas été appliquée\xa0: ce qu'elle ferait a changé entre-temps. "
        "La famille n'a rien su."
    ]
    # It waits again, and is told once.
    assert pile(agent_client) == [("jours", "Lina Roux")]
    assert said(agent_client.get(QUEUE)) == []


def test_a_request_that_ends_meanwhile_is_left_alone(enrols, agent_client):
    answer(agent_client, f"inscription-{enrols.pk}", "accept_selected")
    Enrolment.objects.update(state=EnrolmentState.ENDED)
    assert (settle(2), state(enrols)) == (0, EnrolmentState.ENDED)


def test_a_request_that_is_gone_by_then_is_named_all_the_same(enrols, agent_client):
    answer(agent_client, f"inscription-{enrols.pk}", "accept_selected")
    Enrolment.objects.all().delete()
    assert "<strong>Une demande qui n&#x27;est plus là</strong>" in agent_client.get(QUEUE).text
    assert settle(2) == 0
    assert said(agent_client.get(QUEUE))[0].startswith("La décision sur une demande qui n'est plus là")


def test_a_field_that_no_database_keeps_is_left_out(enrols, agent_client):
    nonsense = {"words": "a\0b", "a\0b": "1"}
    answer(agent_client, f"inscription-{enrols.pk}", "accept_selected", **nonsense)
    assert set(HeldDecision.objects.get().posted) == {"reason_given", "partie"}
    assert (settle(2), state(enrols)) == (1, EnrolmentState.ACCEPTED)


def test_whoever_becomes_a_parent_there_meanwhile_decides_nothing(enrols, waits, agent, agent_client, second):
    answer(agent_client, f"inscription-{enrols.pk}", "accept_selected")
    GuardianFactory(household=waits.household, user=agent)
    assert (settle(2), state(enrols)) == (0, EnrolmentState.REQUESTED)
    assert "n'a pas été appliquée\xa0: c'est votre propre foyer" in said(agent_client.get(QUEUE))[0]


def test_whoever_has_left_the_staff_meanwhile_decides_nothing(enrols, agent, agent_client):
    answer(agent_client, f"inscription-{enrols.pk}", "accept_selected")
    type(agent).objects.filter(pk=agent.pk).update(is_staff=False)
    assert (settle(2), state(enrols)) == (0, EnrolmentState.REQUESTED)


def test_a_request_that_its_family_changes_meanwhile_waits_for_another_look(books, agent_client):
    change = ChangeRequestFactory(household=books.household)
    answer(agent_client, f"changement-{change.pk}", "accept_selected")
    ChangeRequest.objects.update(street="99 rue Neuve")
    assert settle(2) == 0
    change.refresh_from_db()
    assert change.state == ChangeRequest.State.REQUESTED


def test_who_has_lost_the_right_meanwhile_decides_nothing(enrols, agent, agent_client):
    answer(agent_client, f"inscription-{enrols.pk}", "accept_selected")
    giving.withdraw_all(agent, by=None)
    assert (settle(2), state(enrols)) == (0, EnrolmentState.REQUESTED)


def test_a_place_asked_back_is_not_given_on_before_the_decision_is_final(
    asks, books, waits, agent, agent_client
):
    """The only place of Thursday: its family asks to cancel, another child waits for it."""
    Slot.objects.filter(day=THURSDAY).update(capacity=1)
    asks(books, THURSDAY, on_request=False)
    asks(waits, THURSDAY, on_request=False)
    mine, theirs = Booking.objects.order_by("pk")
    assert theirs.state == BookingState.WAITLISTED
    Booking.objects.filter(pk=mine.pk).update(state=BookingState.CANCEL_REQUESTED)
    asked = ReservationLine.objects.get(reservation__household=books.household)
    ReservationLine.objects.filter(pk=asked.pk).update(action="cancel", outcome=Outcome.REQUESTED)
    asked.reservation.refresh_from_db()
    type(asked.reservation).objects.filter(pk=asked.reservation_id).update(state="pending")
    answer(agent_client, f"jours-{asked.reservation_id}", "accept_selected", partie=str(asked.pk))
    theirs.refresh_from_db()
    assert theirs.state == BookingState.WAITLISTED
    assert settle(2) == 1
    theirs.refresh_from_db()
    assert theirs.state == BookingState.ACCEPTED


def test_a_town_may_want_no_delay(enrols, town, agent_client):
    town.take_back_minutes = 0
    town.save()
    page = answer(agent_client, f"inscription-{enrols.pk}", "accept_selected")
    assert (state(enrols), said(page)) == (EnrolmentState.ACCEPTED, ["1 inscription acceptée."])
    assert HeldDecision.objects.count() == 0


def test_what_would_change_nothing_is_not_held(enrols, waits, agent_client):
    """Age or class speak against it: one is asked first, and may still not want to."""
    Household.objects.filter(pk=waits.household.pk).update(state=Household.State.ACCEPTED)
    key = f"inscription-{enrols.pk}"
    page = answer(agent_client, key, "refuse_selected", ready="autre")
    assert page.context["form"].errors and HeldDecision.objects.count() == 0


def test_the_night_does_what_no_worker_did(enrols, agent_client):
    answer(agent_client, f"inscription-{enrols.pk}", "accept_selected")
    at = later(days=1)
    with time_machine.travel(at, tick=False):
        assert "1 décision(s) de « À traiter » devenue(s) définitive(s)." in [
            one.sentence for one in do_all(at=at)
        ]
    assert state(enrols) == EnrolmentState.ACCEPTED


def test_one_that_breaks_keeps_no_other(asks, books, enrols, agent_client, monkeypatch):
    asks(books, THURSDAY, FRIDAY)
    line = ReservationLine.objects.first()
    assert line is not None
    answer(agent_client, f"jours-{line.reservation_id}", "accept_selected", partie=str(line.pk))
    answer(agent_client, f"inscription-{enrols.pk}", "accept_selected")

    def broken(*args, **kwargs):
        raise RuntimeError

    monkeypatch.setattr("portal.reservations.acts.booking.accept", broken)
    assert settle(2) == 1
    assert state(enrols) == EnrolmentState.ACCEPTED
    assert HeldDecision.objects.get().why_left == settling.BROKEN
    assert held.forget_left(later(days=31)) == 1


def test_the_worker_is_asked_to_come_when_it_is_final(
    enrols, agent_client, settings, django_capture_on_commit_callbacks
):
    settings.TASKS = {
        "default": {"BACKEND": "django_tasks_db.DatabaseBackend", "QUEUES": ["default", "mail"]}
    }
    with django_capture_on_commit_callbacks(execute=True):
        answer(agent_client, f"inscription-{enrols.pk}", "accept_selected")
    task = DBTaskResult.objects.get(task_path="portal.desk.settling.settle_due")
    assert task.run_after == later(minutes=2)
