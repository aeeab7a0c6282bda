"""Another formula instead of one that is booked: both halves or neither, and one number for both."""

from datetime import timedelta

import pytest

from portal.reservations.acts import booking
from portal.reservations.acts.overriding import Overrides
from portal.reservations.acts.refusals import BookingRefused
from portal.reservations.models import (
    Activity,
    ActivityDeadline,
    Booking,
    Closure,
    Formula,
    Place,
    Reservation,
    ReservationLine,
    Slot,
)
from portal.reservations.states import Action, BookingState, Outcome, Override, ReservationState
from tests.factories import paris
from tests.portal.reservations.audit import audit, choices, draft
from tests.portal.reservations.conftest import WEDNESDAY
from tests.portal.reservations.shutting import close_days

pytestmark = pytest.mark.usefixtures("books_kept")
TOO_LATE = paris(2026, 11, 16, 10, 1)


@pytest.fixture
def reads(books, plays):
    """Lina, accepted at the centre."""
    return plays(books)


@pytest.fixture
def morning(reads, wednesdays, now) -> Booking:
    """Lina's morning, booked."""
    return book(reads, wednesdays, wednesdays.morning, now)


@pytest.fixture
def on_request(morning) -> None:
    """The town hall answers every reservation from now on."""
    Activity.objects.update(processing="on_request")


def book(who, wednesdays, formula: Formula, at) -> Booking:
    found = draft(who, wednesdays, at=at, book=choices(wednesdays, [WEDNESDAY], [formula]))
    assert found is not None
    booking.submit(found, by=who.user, at=at)
    return Booking.objects.get(child=who.child, formula=formula)


def stands(who) -> dict[str, str]:
    """The state of each formula, by the last booking."""
    rows = Booking.objects.filter(child=who.child).order_by("pk").values_list("formula__code", "state")
    return dict(rows)


def taken(wednesdays) -> dict[str, int]:
    return {part: slot.taken for part, slot in wednesdays.slots(WEDNESDAY).items()}


def told(change: Reservation) -> list[tuple[str, str]]:
    return list(change.lines.order_by("pk").values_list("action", "outcome"))


def fill(wednesdays, part: str) -> None:
    Slot.objects.filter(pk=wednesdays.slots(WEDNESDAY)[part].pk).update(capacity=0)


# At once ------------------------------------------------------------------------------------------------


def test_the_whole_day_instead_of_the_morning(reads, wednesdays, morning, now):
    change = booking.change(morning, wednesdays.whole, by=reads.user, at=now)
    assert stands(reads) == {"matinee": BookingState.CANCELLED, "journee": BookingState.ACCEPTED}
    assert told(change) == [("cancel", Outcome.ACCEPTED), ("book", Outcome.ACCEPTED)]
    assert (change.is_change, change.state, change.created_by) == (
        True,
        ReservationState.ACCEPTED,
        reads.user,
    )
    assert taken(wednesdays) == {"morning": 1, "noon": 1, "afternoon": 1}
    first = ReservationLine.objects.get(reservation=morning.reservation_id)
    assert first.outcome == Outcome.CANCELLED


def test_the_last_place_of_the_morning_is_enough_for_who_holds_it(reads, wednesdays, morning, now):
    Slot.objects.filter(pk=wednesdays.slots(WEDNESDAY)["morning"].pk).update(capacity=1)
    booking.change(morning, wednesdays.whole, by=reads.user, at=now)
    assert stands(reads)["journee"] == BookingState.ACCEPTED
    assert taken(wednesdays)["morning"] == 1


def test_a_full_afternoon_leaves_the_morning_as_it_was(reads, wednesdays, morning, now):
    fill(wednesdays, "afternoon")
    before = Reservation.objects.count()
    for formula in (wednesdays.whole, wednesdays.afternoon):
        with pytest.raises(BookingRefused, match="votre place actuelle est gardée"):
            booking.change(morning, formula, by=reads.user, at=now)
    assert stands(reads) == {"matinee": BookingState.ACCEPTED}
    assert Reservation.objects.count() == before


def test_formulas_that_share_nothing_are_changed_alike(reads, wednesdays, morning, now):
    booking.change(morning, wednesdays.afternoon, by=reads.user, at=now)
    assert stands(reads) == {"matinee": BookingState.CANCELLED, "apres-midi": BookingState.ACCEPTED}
    assert taken(wednesdays) == {"morning": 0, "noon": 0, "afternoon": 1}


def test_the_place_left_goes_to_who_waits(reads, wednesdays, waits, plays, morning, now):
    Slot.objects.filter(pk=wednesdays.slots(WEDNESDAY)["morning"].pk).update(capacity=1)
    Activity.objects.update(waiting_list=True)
    other = plays(waits)
    found = draft(other, wednesdays, at=now, wait=choices(wednesdays, [WEDNESDAY], [wednesdays.morning]))
    assert found is not None
    booking.submit(found, by=other.user, at=now)
    booking.change(morning, wednesdays.afternoon, by=reads.user, at=now)
    assert stands(other) == {"matinee": BookingState.ACCEPTED}


def test_after_either_deadline_nothing_changes(reads, wednesdays, morning):
    with pytest.raises(BookingRefused, match="Annulation close"):
        booking.change(morning, wednesdays.whole, by=reads.user, at=TOO_LATE)
    wednesdays.activity.deadlines.filter(action=Action.CANCEL).delete()
    with pytest.raises(BookingRefused, match="Réservation close"):
        booking.change(morning, wednesdays.whole, by=reads.user, at=TOO_LATE)
    assert stands(reads) == {"matinee": BookingState.ACCEPTED}


def test_the_same_change_twice_is_made_once(reads, wednesdays, morning, now):
    booking.change(morning, wednesdays.whole, by=reads.user, at=now)
    with pytest.raises(BookingRefused, match="déjà été changé"):
        booking.change(morning, wednesdays.whole, by=reads.user, at=now)
    whole = Booking.objects.get(child=reads.child, formula=wednesdays.whole)
    with pytest.raises(BookingRefused, match="autre formule"):
        booking.change(whole, wednesdays.whole, by=reads.user, at=now)
    assert Reservation.objects.filter(is_change=True).count() == 1


def test_what_else_is_booked_that_day_stands_in_the_way(reads, wednesdays, morning, now):
    book(reads, wednesdays, wednesdays.afternoon, now)
    with pytest.raises(BookingRefused, match="cette partie de la journée"):
        booking.change(morning, wednesdays.whole, by=reads.user, at=now)


def test_a_request_becomes_another_request(reads, wednesdays, morning, on_request, agent, now):
    afternoon = book(reads, wednesdays, wednesdays.afternoon, now)
    booking.cancel([morning], by=agent, at=now)
    change = booking.change(afternoon, wednesdays.whole, by=reads.user, at=now)
    assert stands(reads)["apres-midi"] == BookingState.CANCELLED
    assert stands(reads)["journee"] == BookingState.REQUESTED
    booking.accept(change.lines.all(), by=agent, at=now)
    assert stands(reads)["journee"] == BookingState.ACCEPTED


# On request ---------------------------------------------------------------------------------------------


@pytest.fixture
def asked(reads, wednesdays, morning, on_request, now) -> Reservation:
    """Lina's family asked for the whole day instead of the morning."""
    return booking.change(morning, wednesdays.whole, by=reads.user, at=now)


def half(change: Reservation, action: Action):
    return change.lines.filter(action=action)


def test_the_place_is_kept_until_the_answer(reads, wednesdays, asked):
    assert stands(reads) == {"matinee": BookingState.CANCEL_REQUESTED, "journee": BookingState.REQUESTED}
    assert taken(wednesdays) == {"morning": 1, "noon": 0, "afternoon": 0}
    assert (asked.state, told(asked)) == (
        ReservationState.PENDING,
        [("cancel", Outcome.REQUESTED), ("book", Outcome.REQUESTED)],
    )


@pytest.mark.parametrize("action", Action)
def test_accepting_either_half_swaps_both_at_once(reads, wednesdays, asked, agent, now, action):
    decision = booking.accept(half(asked, action), by=agent, at=now)
    assert [line.formula for line in decision.accepted] == [wednesdays.whole]
    assert stands(reads) == {"matinee": BookingState.CANCELLED, "journee": BookingState.ACCEPTED}
    assert taken(wednesdays) == {"morning": 1, "noon": 1, "afternoon": 1}
    asked.refresh_from_db()
    assert asked.state == ReservationState.ACCEPTED


@pytest.mark.parametrize("action", Action)
def test_refusing_either_half_leaves_what_was_booked(reads, wednesdays, asked, agent, now, action):
    assert booking.refuse(half(asked, action), reason="Trop peu d'agents.", by=agent, at=now) == 1
    assert stands(reads) == {"matinee": BookingState.ACCEPTED, "journee": BookingState.REFUSED}
    asked.refresh_from_db()
    assert asked.state == ReservationState.REFUSED
    assert ReservationLine.objects.get(reservation=Booking.objects.first().reservation).outcome == "accepted"


def test_without_room_the_request_stays_and_so_does_the_place(reads, wednesdays, asked, agent, now):
    fill(wednesdays, "afternoon")
    foreseen = booking.foresee_answer(half(asked, Action.BOOK))
    decision = booking.accept(half(asked, Action.BOOK), by=agent, at=now)
    assert foreseen == decision and len(decision.full) == 1
    assert stands(reads) == {"matinee": BookingState.CANCEL_REQUESTED, "journee": BookingState.REQUESTED}


def test_the_desk_foresees_the_swap_in_its_own_order(reads, wednesdays, waits, plays, asked, agent, now):
    Slot.objects.filter(activity=wednesdays.activity).update(capacity=1)
    other = plays(waits)
    book(other, wednesdays, wednesdays.afternoon, now + timedelta(minutes=1))
    lines = ReservationLine.objects.filter(outcome=Outcome.REQUESTED, action=Action.BOOK)
    ordered = sorted(lines, key=lambda line: line.reservation.is_change)
    foreseen = booking.foresee_answer(ordered)
    decision = booking.accept(ordered, by=agent, at=now, in_order=True)
    assert foreseen == decision
    assert [line.reservation.child for line in decision.accepted] == [other.child]
    assert stands(reads)["matinee"] == BookingState.CANCEL_REQUESTED


def test_a_family_takes_its_request_back_and_keeps_its_place(reads, wednesdays, asked, now):
    found = draft(reads, wednesdays, at=now, cancel=choices(wednesdays, [WEDNESDAY], [wednesdays.whole]))
    assert found is not None
    booking.submit(found, by=reads.user, at=now)
    assert stands(reads) == {"matinee": BookingState.ACCEPTED, "journee": BookingState.CANCELLED}
    asked.refresh_from_db()
    assert asked.state == ReservationState.CANCELLED


def test_a_second_change_waits_for_the_first(reads, wednesdays, asked, now):
    for one in Booking.objects.live():
        with pytest.raises(BookingRefused, match="déjà demandé"):
            booking.change(one, wednesdays.afternoon, by=reads.user, at=now)


def test_what_the_town_hall_cancels_takes_the_request_with_it(reads, wednesdays, asked, morning, agent, now):
    booking.cancel([morning], by=agent, at=now)
    assert stands(reads) == {"matinee": BookingState.CANCELLED, "journee": BookingState.CANCELLED}
    asked.refresh_from_db()
    assert asked.state == ReservationState.CANCELLED
    assert taken(wednesdays) == {"morning": 0, "noon": 0, "afternoon": 0}


def test_a_closed_day_ends_both(reads, wednesdays, asked, agent, now):
    closure = Closure.objects.create(starts_on=WEDNESDAY, ends_on=WEDNESDAY, why=Closure.Why.STRIKE)
    close_days(closure, by=agent, at=now)
    assert set(stands(reads).values()) == {BookingState.CANCELLED}
    asked.refresh_from_db()
    assert asked.state == ReservationState.CANCELLED


def test_the_other_home_takes_over_what_was_booked_and_no_request(
    reads, stranger, wednesdays, plays, asked, agent, now
):
    taker = plays(stranger)
    enrolments = {reads.enrolment.pk: taker.enrolment}
    booking.hand_over(
        Booking.objects.filter(child=reads.child), stranger.household, enrolments, by=agent, at=now
    )
    live = Booking.objects.live().get()
    assert (live.household, live.formula, live.state) == (
        stranger.household,
        wednesdays.morning,
        BookingState.ACCEPTED,
    )


@pytest.fixture
def left_late(morning) -> None:
    """Too late to leave a day: from now on that is asked for. Nothing keeps from booking."""
    of_day = ActivityDeadline.objects.filter(activity=morning.activity)
    of_day.filter(action=Action.BOOK).delete()
    of_day.update(late="request")


def test_a_change_that_is_only_asked_takes_no_place_beyond_the_capacity(
    reads, wednesdays, morning, left_late, agent
):
    fill(wednesdays, "afternoon")
    over = Overrides({Override.CAPACITY: "Fratrie."})
    change = booking.change(morning, wednesdays.whole, by=agent, at=TOO_LATE, at_desk=True, overrides=over)
    assert told(change) == [("cancel", Outcome.REQUESTED), ("book", Outcome.REQUESTED)]
    assert (change.desk_reason, [line.reason for line in change.lines.all()]) == ("", ["", ""])
    assert not Place.objects.filter(forced=True).exists()
    audit()
    Slot.objects.update(capacity=None)
    booking.accept(change.lines.all(), by=agent, at=TOO_LATE)
    audit()
    booking.cancel(Booking.objects.live(), by=agent, at=TOO_LATE)
    assert taken(wednesdays) == {"morning": 0, "noon": 0, "afternoon": 0}


# Beforehand ---------------------------------------------------------------------------------------------


def foreseen(morning: Booking, at) -> dict[str, tuple[str, str]]:
    others = morning.activity.formulas.exclude(pk=morning.formula_id)
    found = booking.foresee_change(morning, others, at=at)
    return {one.formula.code: (one.outcome, one.reason) for one in found}


def test_what_a_change_would_do_is_said_beforehand(reads, wednesdays, morning, now):
    fill(wednesdays, "noon")
    assert foreseen(morning, now) == {
        "apres-midi": ("accepted", ""),
        "journee": ("refused", "Complet ce jour-là : votre place actuelle est gardée."),
    }
    Activity.objects.update(processing="on_request")
    assert foreseen(morning, now) == {"apres-midi": ("requested", ""), "journee": ("requested", "")}
    assert {outcome for outcome, _ in foreseen(morning, TOO_LATE).values()} == {"refused"}


def test_saying_it_beforehand_costs_the_same_for_one_formula_and_for_all(
    reads, wednesdays, morning, now, django_assert_num_queries
):
    for formulas in ([wednesdays.whole], list(wednesdays.activity.formulas.exclude(pk=morning.formula_id))):
        with django_assert_num_queries(8):
            booking.foresee_change(morning, formulas, at=now)
