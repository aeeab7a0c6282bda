"""What waits for the town hall: accepted, refused, told honestly."""

import pytest
from django.contrib.messages import get_messages
from django.urls import reverse

from portal.reservations.models import Booking, BookingEvent, Enrolment, Reservation, ReservationLine, Slot
from portal.reservations.states import BookingState, EnrolmentState, Outcome, ReservationState
from tests.conftest import FRIDAY, THURSDAY
from tests.factories import ReservationFactory

ENROLMENTS = "admin:reservations_enrolment_changelist"
RESERVATIONS = "admin:reservations_reservation_changelist"
LINES = "admin:reservations_reservationline_changelist"


def act(client, url: str, action: str, *rows, **data):
    """Runs a list's action on rows, as the desk's forms do."""
    chosen = {"action": action, "_selected_action": [row.pk for row in rows], "select_across": "0"}
    return client.post(reverse(url), chosen | data)


def said(response) -> list[str]:
    return [str(message) for message in get_messages(response.wsgi_request)]


def places(day, count: int) -> None:
    Slot.objects.filter(day=day).update(capacity=count)


@pytest.fixture
def requested(books) -> Enrolment:
    Enrolment.objects.filter(pk=books.enrolment.pk).update(state=EnrolmentState.REQUESTED)
    return Enrolment.objects.get(pk=books.enrolment.pk)


def test_the_enrolment_queue_shows_what_waits_only(requested, waits, agent_client):
    page = agent_client.get(reverse(ENROLMENTS))
    assert "Lina" in page.text
    assert "Noé" not in page.text
    everything = agent_client.get(reverse(ENROLMENTS), {"etat": "tous"})
    assert "Noé" in everything.text


def test_an_enrolment_shows_the_fewest_places_left_on_its_days(requested, canteen, agent_client):
    places(THURSDAY, 3)
    assert '<td class="field-places_left">3</td>' in agent_client.get(reverse(ENROLMENTS)).text
    Enrolment.objects.update(weekdays=0b00001)  # Mondays only: Thursday's three places are no matter
    assert '<td class="field-places_left">sans limite</td>' in agent_client.get(reverse(ENROLMENTS)).text


def test_a_decision_on_a_row_s_own_page_leads_back_to_the_queue_it_came_from(requested, agent_client):
    where = reverse("admin:reservations_enrolment_change", args=[requested.pk])
    page = agent_client.get(where, {"_changelist_filters": "etat=requested&q=Lina"})
    assert f'action="{reverse(ENROLMENTS)}?etat=requested&amp;q=Lina"' in page.text


def test_what_nobody_answered_yet_is_said_so_and_not_none(requested, agent_client):
    requested.child.schoolings.all().delete()
    where = reverse("admin:reservations_enrolment_change", args=[requested.pk])
    assert ">None<" not in agent_client.get(where).text


def test_accepting_an_enrolment_records_who_and_when(requested, agent, agent_client, now):
    answer = act(agent_client, ENROLMENTS, "accept_selected", requested)
    requested.refresh_from_db()
    assert (requested.state, requested.decided_by, requested.decided_at) == ("accepted", agent, now)
    assert said(answer) == ["1 inscription acceptée."]
    assert requested.history.first().history_user == agent


def test_refusing_asks_for_a_reason_first(requested, agent_client):
    question = act(agent_client, ENROLMENTS, "refuse_selected", requested)
    assert "Refuser des inscriptions" in question.text
    empty = act(agent_client, ENROLMENTS, "refuse_selected", requested, reason_given="1")
    assert "Indiquez le motif" in empty.text
    requested.refresh_from_db()
    assert requested.state == EnrolmentState.REQUESTED


def test_a_ready_reason_is_enough_and_own_words_win(requested, agent_client):
    ready = "Il n'y a plus de place dans cet établissement."
    answer = act(
        agent_client,
        ENROLMENTS,
        "refuse_selected",
        requested,
        reason_given="1",
        ready=ready,
        words="Revenez en janvier.",
    )
    requested.refresh_from_db()
    assert (requested.state, requested.refusal_reason) == ("refused", "Revenez en janvier.")
    assert said(answer) == ["1 inscription refusée."]


def test_what_another_agent_decided_meanwhile_is_said(requested, agent_client):
    Enrolment.objects.update(state=EnrolmentState.ACCEPTED)
    answer = act(agent_client, ENROLMENTS, "accept_selected", requested)
    # The row is found though it waits no more: nothing is written twice.
    assert said(answer) == ["0 inscription acceptée, 1 était déjà traitée."]


def test_accepting_reports_the_day_that_is_full(asks, books, waits, canteen, agent_client):
    first = asks(books, THURSDAY, FRIDAY)
    second = asks(waits, THURSDAY, FRIDAY)
    places(THURSDAY, 1)
    answer = act(agent_client, RESERVATIONS, "accept_selected", first, second)
    assert said(answer) == ["3 jours acceptés, 1 en liste d'attente : le jeudi 26 novembre est complet."]
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.state, second.state) == (ReservationState.ACCEPTED, ReservationState.PARTLY)
    assert canteen.slot(THURSDAY).taken == 1


def test_days_of_a_reservation_can_be_decided_one_by_one(asks, books, agent, agent_client):
    reservation = asks(books, THURSDAY, FRIDAY)
    thursday, friday = reservation.lines.all()
    act(agent_client, LINES, "accept_selected", thursday)
    act(
        agent_client,
        LINES,
        "refuse_selected",
        friday,
        reason_given="1",
        ready="La demande est arrivée trop tard.",
    )
    outcomes = list(ReservationLine.objects.values_list("outcome", "reason"))
    assert outcomes == [(Outcome.ACCEPTED, ""), (Outcome.REFUSED, "La demande est arrivée trop tard.")]
    states = dict(Booking.objects.values_list("day", "state"))
    assert states == {THURSDAY: BookingState.ACCEPTED, FRIDAY: BookingState.REFUSED}
    assert set(BookingEvent.objects.filter(state="accepted").values_list("by", flat=True)) == {agent.pk}


def test_drafts_are_the_familys_own(canteen, books, agent_client):
    draft = ReservationFactory(enrolment=books.enrolment, period=canteen.period)
    page = agent_client.get(reverse(RESERVATIONS), {"etat": "tous"})
    assert draft.number not in page.text
    url = reverse("admin:reservations_reservation_change", args=[draft.pk])
    assert agent_client.get(url).status_code == 404


def test_a_number_finds_the_reservation_and_the_household(asks, books, waits, agent_client):
    reservation = asks(books, THURSDAY)
    asks(waits, THURSDAY)
    for number in (reservation.number, str(reservation.pk), books.household.number):
        page = agent_client.get(reverse(RESERVATIONS), {"q": number})
        assert "Lina" in page.text, number
    assert "Lina" not in agent_client.get(reverse(RESERVATIONS), {"q": "9" * 30}).text


def test_the_page_of_a_reservation_offers_the_same_decisions(asks, books, agent_client):
    reservation = asks(books, THURSDAY)
    url = reverse("admin:reservations_reservation_change", args=[reservation.pk])
    page = agent_client.get(url)
    assert 'value="accept_selected"' in page.text
    act(agent_client, RESERVATIONS, "accept_selected", reservation)
    assert 'value="accept_selected"' not in agent_client.get(url).text


def test_cancelling_on_the_spot_frees_the_place_for_who_waits(asks, books, waits, canteen, agent_client):
    asks(books, THURSDAY, on_request=False)
    places(THURSDAY, 1)
    asks(waits, THURSDAY, on_request=False)
    mine = Booking.objects.get(child=books.child)
    answer = act(
        agent_client,
        "admin:reservations_booking_changelist",
        "cancel_selected",
        mine,
        reason_given="1",
        ready="Annulé à la demande de la famille.",
    )
    assert said(answer) == ["1 réservation annulée."]
    assert Booking.objects.get(child=waits.child).state == BookingState.ACCEPTED
    assert mine.events.last().reason == "Annulé à la demande de la famille."


@pytest.mark.parametrize("name", ["enrolment", "reservation", "reservationline", "booking", "slot"])
def test_nothing_of_it_can_be_typed_or_deleted(name, asks, books, chief_client):
    asks(books, THURSDAY)
    model = {
        "enrolment": Enrolment,
        "reservation": Reservation,
        "reservationline": ReservationLine,
        "booking": Booking,
        "slot": Slot,
    }[name]
    row = model.objects.first()
    assert chief_client.get(reverse(f"admin:reservations_{name}_add")).status_code == 403
    assert chief_client.post(reverse(f"admin:reservations_{name}_delete", args=[row.pk])).status_code == 403
    assert (
        chief_client.post(reverse(f"admin:reservations_{name}_change", args=[row.pk]), {}).status_code == 403
    )
