"""« Rouvrir »: days go back as they stood, in their order, unless something stands on them; it says what."""

from collections import Counter
from datetime import date, timedelta

import pytest
from django.db.models import F

from families.models import Custody
from portal.reservations.acts import booking, closing, ending, moving
from portal.reservations.acts.refusals import BookingRefused
from portal.reservations.models import (
    Booking,
    CalendarChange,
    Closure,
    Enrolment,
    Period,
    PublicHoliday,
    Reservation,
    ReservationLine,
    Slot,
)
from portal.reservations.states import BookingState, Outcome, ReservationState
from tests.conftest import FRIDAY, NOW, THURSDAY
from tests.factories import (
    BookingFactory,
    ClosureFactory,
    FormulaFactory,
    SchoolClassFactory,
    SchoolingFactory,
)
from tests.portal.reservations import shutting

SOON = NOW + timedelta(minutes=30)
LATER = NOW + timedelta(hours=2)
A_MINUTE = timedelta(minutes=1)
TUESDAY = date(2026, 11, 10)  # too late to cancel: two days before at 10:00


@pytest.fixture
def reopen(agent, books_kept):
    """Closes days by a holiday on each, lets something happen, and reopens."""

    def act(*days: date, meanwhile=lambda: None, at=SOON) -> closing.Reopened:
        def holidays() -> None:
            for day in days:
                PublicHoliday.objects.create(day=day, name="Pont")

        shutting.shut(holidays, by=agent, at=NOW)
        meanwhile()
        return closing.reopen(CalendarChange.objects.latest("pk"), by=agent, at=at)

    return act


def states(*children) -> list[str]:
    return [
        state
        for child in children
        for state in Booking.objects.filter(child=child.child).order_by("day").values_list("state", flat=True)
    ]


def test_days_go_back_with_their_reservation_and_say_why(books, asks, reopen):
    asked = asks(books, THURSDAY, FRIDAY, on_request=False)
    done = reopen(THURSDAY)
    assert (done.back, done.households, done.left) == (1, 1, Counter())
    asked.refresh_from_db()
    assert asked.state == ReservationState.ACCEPTED
    assert set(ReservationLine.objects.values_list("outcome", flat=True)) == {Outcome.ACCEPTED}
    events = Booking.objects.get(day=THURSDAY).events.values_list("state", "reason")
    assert list(events)[1:] == [
        ("cancelled", "Férié : Pont : annulé par la mairie, sans frais."),
        ("accepted", booking.REOPENED),
    ]


def test_who_waited_waits_again_at_its_rank_and_who_was_asked_is_asked_again(
    books, waits, another, asks, reopen, shut, agent
):
    shut(THURSDAY, 1)
    third = another("Lopez")
    asks(books, THURSDAY, on_request=False)
    for who in (waits, third):
        asks(who, THURSDAY, on_request=False)
    asks(books, FRIDAY)
    ranks = list(Booking.objects.waiting().values_list("child", "waiting_since"))
    reopen(THURSDAY, FRIDAY)
    assert list(Booking.objects.waiting().values_list("child", "waiting_since")) == ranks
    assert states(books) == ["accepted", "requested"]
    assert set(Reservation.objects.values_list("state", flat=True)) == {"accepted", "pending"}


def test_fewer_places_go_to_who_came_first(books, waits, another, asks, reopen):
    for who in (waits, books, another("Lopez")):
        asks(who, THURSDAY, on_request=False)
        Reservation.objects.update(submitted_at=F("submitted_at") - timedelta(minutes=1))
    done = reopen(THURSDAY, meanwhile=lambda: Slot.objects.filter(day=THURSDAY).update(capacity=2))
    assert done.left == {booking.FULL_AGAIN: 1} and done.back == 2
    assert (states(waits), states(books)) == (["accepted"], ["accepted"])


def test_each_day_says_what_stands_on_it(books, waits, another, asks, reopen, canteen, agent):
    """A child that left, one with something else that day, an enrolment that ended, a slot that is closed."""
    gone, other, ended, alone = another("Parti"), another("Autre"), another("Fini"), another("Seul")
    for who in (books, gone, other, ended):
        asks(who, THURSDAY, on_request=False)
    asks(alone, FRIDAY, on_request=False)
    second = FormulaFactory(activity=canteen.activity, code="panier", name="Panier")

    def meanwhile() -> None:
        Custody.objects.filter(child=gone.child).update(until=date(2026, 11, 20))
        PublicHoliday.objects.filter(day=THURSDAY).delete()
        BookingFactory(enrolment=other.enrolment, formula=second, day=THURSDAY)
        Enrolment.objects.filter(pk=ended.enrolment.pk).update(state="ended")
        Slot.objects.filter(day=FRIDAY).update(closed=True)

    done = reopen(THURSDAY, FRIDAY, meanwhile=meanwhile)
    assert done.left == {
        booking.CHILD_GONE: 1,
        booking.OTHERWISE: 1,
        booking.NOT_ENROLLED: 1,
        booking.NO_SLOT: 1,
    }
    assert done.back == 1 and states(books) == ["accepted"]
    assert [sentence.startswith("Ajout : jour férié « Pont (26/11/2026) »") for sentence in done.kept] == [
        True
    ]


def test_a_day_after_an_end_said_meanwhile_does_not_come_back(books, asks, reopen, agent):
    asks(books, THURSDAY, FRIDAY, on_request=False)
    ends = ending.Ending(THURSDAY, "Déménagement.")
    done = reopen(
        THURSDAY, FRIDAY, meanwhile=lambda: ending.end(books.enrolment, ends, by=agent, at=NOW + A_MINUTE)
    )
    assert done.left == {closing.AFTER_THE_END: 1} and states(books) == ["accepted", "cancelled"]


def test_what_stayed_reserved_beyond_an_end_said_before_comes_back(books, reopen, agent):
    """It was too late to cancel it: it is billed as it was."""
    BookingFactory(enrolment=books.enrolment, day=TUESDAY)
    ending.end(books.enrolment, ending.Ending(NOW.date(), "Déménagement."), by=agent, at=NOW - A_MINUTE)
    assert reopen(TUESDAY).back == 1


def test_a_day_does_not_come_back_to_a_place_that_the_child_has_left(books, asks, mill, reopen, agent):
    asks(books, THURSDAY, FRIDAY, on_request=False)
    leaves = moving.Change(FRIDAY, mill.school_class)
    done = reopen(
        THURSDAY, FRIDAY, meanwhile=lambda: moving.carry_out(books.child, leaves, by=agent, at=NOW + A_MINUTE)
    )
    assert done.left == {closing.ELSEWHERE: 1} and states(books) == ["accepted", "cancelled"]


def test_a_day_still_closed_by_something_else_stays_closed(books, asks, reopen):
    asks(books, THURSDAY, on_request=False)
    done = reopen(THURSDAY, meanwhile=lambda: ClosureFactory(starts_on=THURSDAY, why=Closure.Why.WORKS))
    assert done.left == {"Travaux.": 1} and states(books) == ["cancelled"]


def test_a_row_changed_again_stays_as_it_is_now(books, asks, canteen, agent):
    asks(books, THURSDAY, FRIDAY, on_request=False)

    def end(day: date) -> None:
        period = Period.objects.get()
        period.ends_on = day
        period.save()

    shutting.shut(lambda: end(date(2026, 11, 25)), by=agent, at=NOW)
    end(THURSDAY)
    done = closing.reopen(CalendarChange.objects.get(), by=agent, at=SOON)
    assert Period.objects.get().ends_on == THURSDAY
    assert len(done.kept) == 1 and "elle reste ainsi" in done.kept[0]
    assert states(books) == ["accepted", "cancelled"]


def test_what_the_family_wanted_cancelled_stays_so(books, asks, canteen, agent, reopen):
    asks(books, THURSDAY, FRIDAY, on_request=False)
    Booking.objects.filter(day=THURSDAY).update(state=BookingState.CANCEL_REQUESTED)
    done = reopen(THURSDAY, FRIDAY)
    assert done.left == {booking.ASKED_TO_CANCEL: 1} and states(books) == ["cancelled", "accepted"]


def test_after_the_hour_only_what_can_still_be_cancelled_goes_back(books, canteen, reopen, asks, agent):
    """They were told that they had nothing to pay."""
    asks(books, THURSDAY, on_request=False)
    BookingFactory(enrolment=books.enrolment, day=TUESDAY, reservation=Reservation.objects.get())
    done = reopen(TUESDAY, THURSDAY, at=LATER)
    assert done.left == {closing.TOO_LATE: 1} and states(books) == ["cancelled", "accepted"]


def test_within_the_hour_the_eve_goes_back_too(books, reopen):
    BookingFactory(enrolment=books.enrolment, day=TUESDAY)
    assert reopen(TUESDAY).back == 1


def test_a_change_is_reopened_once(books, asks, agent, reopen):
    asks(books, THURSDAY, on_request=False)
    reopen(THURSDAY)
    with pytest.raises(BookingRefused, match="déjà été rouverts"):
        closing.reopen(CalendarChange.objects.get(), by=agent, at=SOON)


def test_foreseeing_writes_nothing(books, asks, agent):
    asks(books, THURSDAY, on_request=False)
    shutting.shut(lambda: PublicHoliday.objects.create(day=THURSDAY, name="Pont"), by=agent, at=NOW)
    change = CalendarChange.objects.get()
    assert closing.foresee_reopening(change, by=agent, at=SOON).back == 1
    change.refresh_from_db()
    assert change.reopened_at is None and states(books) == ["cancelled"]
    assert PublicHoliday.objects.filter(day=THURSDAY).exists()


def test_a_trip_gives_its_places_to_others_and_says_so_when_it_is_called_off(
    books, waits, asks, shut, school, year, agent, books_kept
):
    shut(THURSDAY, 1)
    asks(books, THURSDAY, on_request=False)
    asks(waits, THURSDAY, on_request=False)
    away = SchoolClassFactory(school=school, school_year=year, name="CM2")
    books.child.schoolings.all().delete()
    SchoolingFactory(child=books.child, school_class=away)
    closure = ClosureFactory(starts_on=THURSDAY, school_class=away, why=Closure.Why.TRIP)
    shutting.close_days(closure, by=agent, at=NOW)
    assert (states(books), states(waits)) == (["cancelled"], ["accepted"])
    done = closing.reopen(CalendarChange.objects.get(), by=agent, at=SOON)
    assert done.left == {booking.FULL_AGAIN: 1} and not Closure.objects.exists()


def test_who_waits_for_another_formula_is_called_once_nothing_can_go_back_any_more(
    plays, books, waits, wednesdays, agent, books_kept
):
    """« Journée » is no longer offered: its mornings wait an hour for « Rouvrir », then for who is next."""
    day = date(2026, 11, 18)
    Slot.objects.filter(day=day, part="morning").update(capacity=1)
    BookingFactory(enrolment=plays(books).enrolment, day=day, formula=wednesdays.whole)
    waiting = BookingFactory(
        enrolment=plays(waits).enrolment, day=day, formula=wednesdays.morning, state="waitlisted"
    )

    def end() -> None:
        wednesdays.whole.active = False
        wednesdays.whole.save()

    assert shutting.shut(end, by=agent, at=NOW) == 1
    waiting.refresh_from_db()
    assert waiting.state == BookingState.WAITLISTED
    assert closing.settle(at=SOON) == 0
    assert (closing.settle(at=LATER), closing.settle(at=LATER)) == (1, 0)
    waiting.refresh_from_db()
    assert waiting.state == BookingState.ACCEPTED
