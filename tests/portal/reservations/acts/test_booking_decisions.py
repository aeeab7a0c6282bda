"""What the town hall answers, what it cancels, and who then gets the freed place."""

from datetime import date, timedelta

import pytest

from portal.reservations.acts import booking, opening, refusals, reservation_drafts
from portal.reservations.acts.refusals import BookingRefused
from portal.reservations.models import (
    Activity,
    Booking,
    BookingEvent,
    Closure,
    Reservation,
    ReservationLine,
    Slot,
)
from portal.reservations.states import BookingState, Outcome, ReservationState
from tests.factories import (
    BookingFactory,
    ClosureFactory,
    SchoolClassFactory,
    SchoolFactory,
    SchoolingFactory,
    paris,
)
from tests.portal.reservations.audit import (
    MONDAY,
    THURSDAY,
    TUESDAY,
    audit,
    give_up,
    outcomes,
    reasons,
    reserve,
    states,
)
from tests.portal.reservations.conftest import WEDNESDAY
from tests.portal.reservations.shutting import close_days

pytestmark = pytest.mark.usefixtures("books_kept")


@pytest.fixture
def on_request(canteen) -> None:
    """The town hall answers every reservation and every cancellation."""
    Activity.objects.update(processing="on_request", cancel_processing="on_request")


def lines(*reservations: Reservation):
    return ReservationLine.objects.filter(reservation__in=reservations)


# Accepting ------------------------------------------------------------------------------------------------


def test_an_agent_accepts_a_request(books, canteen, on_request, agent, now):
    asked = reserve(books, canteen, MONDAY, TUESDAY, at=now)
    decision = booking.accept(lines(asked), by=agent, at=now)
    asked.refresh_from_db()
    assert len(decision.accepted) == 2
    assert (asked.state, asked.decided_by, asked.decided_at) == (ReservationState.ACCEPTED, agent, now)
    assert states(books, MONDAY, TUESDAY) == [BookingState.ACCEPTED] * 2
    assert canteen.slot(MONDAY).taken == 1


def test_every_change_says_who_and_when(books, canteen, on_request, agent, now):
    later = now + timedelta(hours=2)
    booking.accept(lines(reserve(books, canteen, MONDAY, at=now)), by=agent, at=later)
    assert list(BookingEvent.objects.values_list("state", "by__username", "at")) == [
        ("requested", "roux", now),
        ("accepted", "agent", later),
    ]


def test_some_days_accepted_some_refused(books, canteen, on_request, agent, now):
    asked = reserve(books, canteen, MONDAY, TUESDAY, THURSDAY, at=now)
    booking.accept(lines(asked).filter(day=MONDAY), by=agent, at=now)
    asked.refresh_from_db()
    assert asked.state == ReservationState.PENDING
    booking.refuse(lines(asked).exclude(day=MONDAY), reason="Trop peu d'agents.", by=agent, at=now)
    asked.refresh_from_db()
    assert (asked.state, outcomes(asked)) == (ReservationState.PARTLY, ["accepted", "refused", "refused"])
    assert reasons(asked) == ["", "Trop peu d'agents.", "Trop peu d'agents."]
    assert states(books, TUESDAY) == [BookingState.REFUSED]


def test_accepting_follows_the_order_of_arrival(books, waits, canteen, on_request, shut, agent, now):
    shut(MONDAY, 1)
    second = reserve(waits, canteen, MONDAY, at=now + timedelta(minutes=5))
    first = reserve(books, canteen, MONDAY, at=now)
    decision = booking.accept(lines(second, first), by=agent, at=now + timedelta(hours=1))
    assert [line.reservation for line in decision.accepted] == [first]
    assert [line.reservation for line in decision.waitlisted] == [second]
    assert states(waits, MONDAY) == [BookingState.WAITLISTED]


def test_without_a_waiting_list_what_does_not_fit_stays_asked(books, canteen, on_request, shut, agent, now):
    shut(MONDAY, 0)
    asked = reserve(books, canteen, MONDAY, at=now)
    Activity.objects.update(waiting_list=False)
    decision = booking.accept(lines(asked), by=agent, at=now)
    asked.refresh_from_db()
    assert (len(decision.full), outcomes(asked)) == (1, [Outcome.REQUESTED])
    assert (asked.state, asked.decided_at) == (ReservationState.PENDING, None)


def test_who_waits_stays_where_they_stand_when_it_is_still_full(books, waits, canteen, shut, agent, now):
    shut(MONDAY, 1)
    reserve(books, canteen, MONDAY, at=now)
    asked = reserve(waits, canteen, MONDAY, at=now, wait=True)
    decision = booking.accept(lines(asked), by=agent, at=now + timedelta(days=1))
    assert len(decision.waitlisted) == 1
    assert Booking.objects.get(child=waits.child).waiting_since == now


def test_answering_twice_changes_nothing(books, canteen, on_request, agent, now):
    asked = lines(reserve(books, canteen, MONDAY, at=now))
    stale = list(asked)
    booking.accept(asked, by=agent, at=now)
    assert booking.accept(stale, by=agent, at=now).accepted == []
    assert booking.refuse(stale, reason="Trop tard", by=agent, at=now) == 0
    assert states(books, MONDAY) == [BookingState.ACCEPTED]


def test_a_request_withdrawn_meanwhile_is_not_revived(books, canteen, on_request, agent, now):
    asked = reserve(books, canteen, MONDAY, at=now)
    give_up(books, canteen, MONDAY, at=now)
    assert booking.accept(lines(asked), by=agent, at=now).accepted == []
    asked.refresh_from_db()
    assert (asked.state, outcomes(asked)) == (ReservationState.CANCELLED, [Outcome.CANCELLED])


def test_drafts_are_nobodys_business(books, canteen, agent, now):
    kept = reservation_drafts.choose(
        books.enrolment,
        canteen.restaurant,
        canteen.period,
        book=[refusals.Choice(canteen.formula.pk, MONDAY)],
        by=books.user,
        at=now,
    )
    assert booking.accept(lines(kept), by=agent, at=now).accepted == []
    kept.refresh_from_db()
    assert kept.is_draft


# Refusing -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("nothing", ["", "   "])
def test_a_refusal_says_why(books, canteen, on_request, agent, now, nothing):
    asked = reserve(books, canteen, MONDAY, at=now)
    with pytest.raises(BookingRefused, match="motif"):
        booking.refuse(lines(asked), reason=nothing, by=agent, at=now)
    assert states(books, MONDAY) == [BookingState.REQUESTED]


def test_a_refused_day_may_be_asked_again(books, canteen, on_request, agent, now):
    booking.refuse(lines(reserve(books, canteen, MONDAY, at=now)), reason="Complet", by=agent, at=now)
    assert outcomes(reserve(books, canteen, MONDAY, at=now)) == [Outcome.REQUESTED]


def test_a_granted_cancellation_frees_the_place(books, canteen, on_request, agent, now):
    BookingFactory(enrolment=books.enrolment, day=MONDAY)
    asked = give_up(books, canteen, MONDAY, at=now)
    booking.accept(lines(asked), by=agent, at=now)
    asked.refresh_from_db()
    assert (asked.state, outcomes(asked)) == (ReservationState.ACCEPTED, [Outcome.ACCEPTED])
    assert states(books, MONDAY) == [BookingState.CANCELLED]
    assert canteen.slot(MONDAY).taken == 0


def test_a_refused_cancellation_keeps_the_booking(books, canteen, on_request, agent, now):
    BookingFactory(enrolment=books.enrolment, day=MONDAY)
    asked = give_up(books, canteen, MONDAY, at=now)
    booking.refuse(lines(asked), reason="Repas déjà commandés.", by=agent, at=now)
    asked.refresh_from_db()
    assert (asked.state, outcomes(asked)) == (ReservationState.REFUSED, [Outcome.REFUSED])
    assert states(books, MONDAY) == [BookingState.ACCEPTED]
    assert canteen.slot(MONDAY).taken == 1


# Cancelling on the spot -----------------------------------------------------------------------------------


def test_staff_cancel_whatever_the_deadline(books, canteen, agent, now):
    today = date(2026, 11, 9)
    made = BookingFactory(enrolment=books.enrolment, day=today)
    assert booking.cancel([made], by=agent, at=now, reason="Enfant malade.") == 1
    assert states(books, today) == [BookingState.CANCELLED]
    event = BookingEvent.objects.get()
    assert (event.by, event.at, event.reason) == (agent, now, "Enfant malade.")
    assert booking.cancel([made], by=agent, at=now) == 0


def test_cancelling_answers_the_cancellation_that_was_asked(books, canteen, on_request, agent, now):
    BookingFactory(enrolment=books.enrolment, day=MONDAY)
    asked = give_up(books, canteen, MONDAY, at=now)
    booking.cancel(Booking.objects.all(), by=agent, at=now)
    asked.refresh_from_db()
    assert (asked.state, outcomes(asked)) == (ReservationState.ACCEPTED, [Outcome.ACCEPTED])


# Waiting lists --------------------------------------------------------------------------------------------


def test_a_freed_place_goes_to_the_first_who_waits(books, waits, another, canteen, shut, now):
    third = another("Garnier")
    shut(MONDAY, 1)
    reserve(books, canteen, MONDAY, at=now)
    late = reserve(third, canteen, MONDAY, at=now + timedelta(minutes=2), wait=True)
    early = reserve(waits, canteen, MONDAY, at=now + timedelta(minutes=1), wait=True)
    give_up(books, canteen, MONDAY, at=now + timedelta(hours=1))
    assert states(waits, MONDAY) + states(third, MONDAY) == [BookingState.ACCEPTED, BookingState.WAITLISTED]
    early.refresh_from_db()
    late.refresh_from_db()
    assert (early.state, outcomes(early)) == (ReservationState.ACCEPTED, [Outcome.ACCEPTED])
    assert (late.state, outcomes(late)) == (ReservationState.PENDING, [Outcome.WAITLISTED])
    assert canteen.slot(MONDAY).taken == 1


def test_the_promotion_is_nobodys_act_and_says_why(books, waits, canteen, shut, now):
    shut(MONDAY, 1)
    reserve(books, canteen, MONDAY, at=now)
    reserve(waits, canteen, MONDAY, at=now, wait=True)
    give_up(books, canteen, MONDAY, at=now)
    event = BookingEvent.objects.filter(booking__child=waits.child).last()
    assert (event.state, event.by, event.reason) == ("accepted", None, "Une place s'est libérée.")


def test_who_gives_up_waiting_frees_nothing(books, waits, canteen, shut, now):
    shut(MONDAY, 1)
    reserve(books, canteen, MONDAY, at=now)
    reserve(waits, canteen, MONDAY, at=now, wait=True)
    give_up(waits, canteen, MONDAY, at=now)
    assert states(books, MONDAY) + states(waits, MONDAY) == [BookingState.ACCEPTED, BookingState.CANCELLED]


def test_who_does_not_fit_is_passed_over(books, waits, another, wednesdays, plays, now):
    """The whole day waits for the morning too; the afternoon freed goes to who asks for no more."""
    Slot.objects.filter(activity=wednesdays.activity, day=WEDNESDAY).update(capacity=1)
    afternoon, whole, patient = plays(books), plays(waits), plays(another("Garnier"))
    morning = plays(another("Lopez"))
    for who, formula, wait in (
        (afternoon, wednesdays.afternoon, False),
        (morning, wednesdays.morning, False),
        (whole, wednesdays.whole, True),
        (patient, wednesdays.afternoon, True),
    ):
        wednesdays.formula = formula
        reserve(who, wednesdays, WEDNESDAY, at=now, wait=wait)
    wednesdays.formula = wednesdays.afternoon
    give_up(afternoon, wednesdays, WEDNESDAY, at=now)
    assert states(whole, WEDNESDAY) + states(patient, WEDNESDAY) == ["waitlisted", "accepted"]


def test_nobody_is_called_for_a_day_already_here(books, waits, canteen, shut, agent, now):
    today = date(2026, 11, 9)
    shut(today, 1)
    made = BookingFactory(enrolment=books.enrolment, day=today)
    BookingFactory(enrolment=waits.enrolment, day=today, state=BookingState.WAITLISTED)
    booking.cancel([made], by=agent, at=now)
    assert states(waits, today) == [BookingState.WAITLISTED]


def test_nobody_is_called_on_a_closed_slot(books, waits, canteen, shut, agent, now):
    shut(MONDAY, 1)
    made = BookingFactory(enrolment=books.enrolment, day=MONDAY)
    BookingFactory(enrolment=waits.enrolment, day=MONDAY, state=BookingState.WAITLISTED)
    Slot.objects.update(closed=True)
    booking.cancel([made], by=agent, at=now)
    assert states(waits, MONDAY) == [BookingState.WAITLISTED]


def test_more_places_call_more_children(books, waits, another, canteen, shut, agent, now):
    shut(MONDAY, 0)
    for who in (books, waits, another("Garnier")):
        reserve(who, canteen, MONDAY, at=now, wait=True)
    assert opening.resize([canteen.slot(MONDAY)], 2, at=now) == 2
    assert states(books, MONDAY) + states(waits, MONDAY) == [BookingState.ACCEPTED] * 2


# Closing days ---------------------------------------------------------------------------------------------


@pytest.fixture
def booked(books, waits, canteen, wednesdays, plays, now):
    """Lina on Monday and Tuesday at the canteen, and on Wednesday at the centre; Noé waits for Monday."""
    BookingFactory(enrolment=books.enrolment, day=MONDAY)
    BookingFactory(enrolment=books.enrolment, day=TUESDAY)
    Slot.objects.filter(day=MONDAY).update(capacity=1)
    BookingFactory(enrolment=waits.enrolment, day=MONDAY, state=BookingState.WAITLISTED)
    BookingFactory(enrolment=plays(books).enrolment, day=WEDNESDAY, formula=wednesdays.whole)


def test_a_closed_restaurant_cancels_its_days(books, waits, canteen, booked, agent, now):
    closure = ClosureFactory(
        starts_on=MONDAY, establishment=canteen.restaurant, why=Closure.Why.STRIKE, label="Grève"
    )
    assert close_days(closure, by=agent, at=now) == 2
    assert states(books, MONDAY, TUESDAY, WEDNESDAY) == ["cancelled", "accepted", "accepted"]
    assert states(waits, MONDAY) == ["cancelled"]
    assert BookingEvent.objects.last().reason == "Grève : annulé par la mairie, sans frais."


def test_a_strike_at_school_leaves_no_child_at_the_canteen(books, canteen, booked, school, agent, now):
    closure = ClosureFactory(starts_on=MONDAY, ends_on=WEDNESDAY, establishment=school)
    assert set(booking.concerned_by(closure).values_list("child", flat=True)) == {
        books.child.pk,
        Booking.objects.waiting().get().child_id,
    }
    assert close_days(closure, by=agent, at=now) == 4


def test_a_closed_activity_leaves_the_others(books, canteen, booked, agent, now):
    closure = ClosureFactory(starts_on=MONDAY, ends_on=WEDNESDAY, activity=canteen.activity)
    close_days(closure, by=agent, at=now)
    assert states(books, MONDAY, TUESDAY, WEDNESDAY) == ["cancelled", "cancelled", "accepted"]


def test_a_class_trip_concerns_its_class_and_calls_who_waits(
    books, waits, canteen, booked, school, year, agent, now
):
    travelling = SchoolClassFactory(school=school, school_year=year, name="CM2")
    books.child.schoolings.all().delete()
    SchoolingFactory(child=books.child, school_class=travelling)
    closure = ClosureFactory(starts_on=MONDAY, school_class=travelling, why=Closure.Why.TRIP)
    assert close_days(closure, by=agent, at=now) == 1
    assert states(books, MONDAY) + states(waits, MONDAY) == ["cancelled", "accepted"]


def test_another_school_closes_for_its_own_children(books, canteen, booked, agent, now):
    closure = ClosureFactory(starts_on=MONDAY, establishment=SchoolFactory())
    assert close_days(closure, by=agent, at=now) == 0


def test_the_whole_town_closes(books, booked, agent, now):
    closure = ClosureFactory(starts_on=MONDAY, ends_on=WEDNESDAY, why=Closure.Why.OTHER)
    assert close_days(closure, by=agent, at=now) == 4


def test_an_exceptional_opening_cancels_nobody(books, canteen, booked, agent, now):
    closure = ClosureFactory(starts_on=MONDAY, establishment=canteen.restaurant, opens=True)
    assert close_days(closure, by=agent, at=now) == 0


# Cost -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("families", [1, 10])
def test_answering_costs_the_same_for_one_and_for_many(
    canteen, another, on_request, agent, now, families, django_assert_max_num_queries
):
    asked = [reserve(another(f"Famille{n}"), canteen, MONDAY, TUESDAY, at=now) for n in range(families)]
    with django_assert_max_num_queries(18):
        booking.accept(lines(*asked), by=agent, at=now)
    assert canteen.slot(MONDAY).taken == families


def test_the_audit_sees_a_place_counted_twice(books, canteen, now):
    reserve(books, canteen, MONDAY, at=now)
    Slot.objects.filter(day=MONDAY).update(taken=2)
    with pytest.raises(AssertionError):
        audit()
    Slot.objects.filter(day=MONDAY).update(taken=1)


def test_moments_are_those_of_the_act(books, canteen, now):
    at = paris(2026, 11, 9, 22, 30)
    reserve(books, canteen, MONDAY, at=at)
    assert Booking.objects.get().changed_at == at
