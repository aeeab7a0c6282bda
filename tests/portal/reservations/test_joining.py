"""What was booked, asked and entered in two households that become one: nothing lost, nothing twice."""

from datetime import date, timedelta

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st

from billing.invoices.numbering import Numbering
from families.custody.own import households_of
from portal.reservations.acts import reservation_drafts
from portal.reservations.acts.refusals import BookingRefused, Choice
from portal.reservations.models import (
    AbsenceNotice,
    Attendance,
    Booking,
    Enrolment,
    Move,
    Place,
    Reservation,
    Schooling,
    Slot,
)
from portal.reservations.states import BookingState
from tests.conftest import FRIDAY, NOW, THURSDAY, on_the_database
from tests.factories import BookingFactory, SchoolClassFactory, SchoolingFactory
from tests.families.joining.doubles import double_of, look, make_one
from tests.portal.reservations.audit import audit

pytestmark = pytest.mark.django_db

MONDAY = date(2026, 11, 2)


@pytest.fixture
def double(books):
    return double_of(books)


def taken(day):
    return sum(Slot.objects.filter(day=day).values_list("taken", flat=True))


def test_a_day_that_both_had_is_kept_once_and_its_place_is_free(books, double, asks, agent):
    asks(books, THURSDAY, on_request=False)
    asks(double, THURSDAY, FRIDAY, on_request=False)
    assert (taken(THURSDAY), taken(FRIDAY)) == (2, 1)
    assert "1 jour réservé deux fois" in " ".join(look(books.household, double.household).lines)
    make_one(books.household, double.household, by=agent)
    held = Booking.objects.holding().order_by("day").values_list("day", "child", "household", "enrolment")
    whose = books.child.pk, books.household.pk, books.enrolment.pk
    assert list(held) == [(THURSDAY, *whose), (FRIDAY, *whose)]
    assert (taken(THURSDAY), taken(FRIDAY)) == (1, 1)
    assert {place.child for place in Place.objects.all()} == {books.child}
    audit()


def test_the_free_place_goes_to_who_waits(
    books, waits, double, asks, agent, django_capture_on_commit_callbacks
):
    Slot.objects.filter(day=THURSDAY).update(capacity=2)
    asks(books, THURSDAY, on_request=False)
    asks(double, THURSDAY, on_request=False)
    asks(waits, THURSDAY, on_request=False)
    assert Booking.objects.waiting().get().child == waits.child
    with django_capture_on_commit_callbacks(execute=True):
        make_one(books.household, double.household, by=agent)
    assert {one.child for one in Booking.objects.holding()} == {books.child, waits.child}
    audit()


def test_a_place_is_worth_more_than_a_wait_whosever_it_is(books, waits, double, asks, agent):
    Slot.objects.filter(day=THURSDAY).update(capacity=1)
    asks(double, THURSDAY, on_request=False)
    asks(books, THURSDAY, on_request=False)
    make_one(books.household, double.household, by=agent)
    (one,) = Booking.objects.live()
    assert (one.child, one.state) == (books.child, BookingState.ACCEPTED)
    audit()


def test_of_two_who_wait_the_first_rank_stays(books, waits, double, asks, agent):
    Slot.objects.filter(day=THURSDAY).update(capacity=0)
    asks(double, THURSDAY, on_request=False)
    first = Booking.objects.get().waiting_since
    booking_of_books = asks(books, THURSDAY, on_request=False)
    Booking.objects.filter(reservation=booking_of_books).update(waiting_since=first + timedelta(hours=1))
    make_one(books.household, double.household, by=agent)
    assert [one.waiting_since for one in Booking.objects.waiting()] == [first]


def test_of_two_enrolments_one_stays_accepted_where_either_was(books, double, agent):
    Enrolment.objects.filter(pk=books.enrolment.pk).update(state="requested")
    make_one(books.household, double.household, by=agent)
    (one,) = Enrolment.objects.live()
    assert (one.pk, one.state, one.household) == (books.enrolment.pk, "accepted", books.household)


def test_what_was_entered_of_the_same_day_twice_is_kept_once(books, double, agent):
    ours, theirs = (BookingFactory(enrolment=one.enrolment, day=MONDAY) for one in (books, double))
    for one in (ours, theirs):
        Attendance.objects.create(
            booking=one,
            household=one.household,
            child=one.child,
            formula=one.formula,
            establishment=one.establishment,
            day=MONDAY,
            entered_at=NOW,
        )
    make_one(books.household, double.household, by=agent)
    (entered,) = Attendance.objects.all()
    assert (entered.booking, entered.child, entered.household) == (ours, books.child, books.household)
    assert [one.pk for one in Booking.objects.holding()] == [ours.pk]


def test_what_was_entered_of_the_other_file_alone_is_kept(books, double, agent):
    ours, theirs = (BookingFactory(enrolment=one.enrolment, day=MONDAY) for one in (books, double))
    came = {
        "formula": theirs.formula,
        "establishment": theirs.establishment,
        "day": MONDAY,
    }
    Attendance.objects.create(
        booking=theirs, household=double.household, child=double.child, state="absent", entered_at=NOW, **came
    )
    make_one(books.household, double.household, by=agent)
    entered = Attendance.objects.get()
    assert (entered.state, entered.child, entered.booking.state) == ("absent", books.child, "accepted")
    assert entered.booking.pk in (ours.pk, theirs.pk) and Booking.objects.holding().count() == 1


def test_an_announced_absence_is_said_once(books, double, agent):
    for one in (books, double):
        AbsenceNotice.objects.create(household=one.household, child=one.child, day=FRIDAY, announced_at=NOW)
    make_one(books.household, double.household, by=agent)
    (notice,) = AbsenceNotice.objects.standing()
    assert (notice.household, notice.child) == (books.household, books.child)


def test_the_class_of_the_kept_file_counts_and_a_class_of_the_other_alone_follows(
    books, double, agent, school, year
):
    other = SchoolClassFactory(school=school, school_year=year, name="CM2")
    SchoolingFactory(child=double.child, school_class=other)
    assert "deux classes étaient indiquées" in " ".join(look(books.household, double.household).lines)
    make_one(books.household, double.household, by=agent)
    assert [(one.child, one.school_class.name) for one in Schooling.objects.all()] == [(books.child, "CE1")]


def test_a_change_that_was_asked_waits_on(books, double, agent, canteen):
    Move.objects.create(
        household=double.household,
        child=double.child,
        enrolment=double.enrolment,
        place=canteen.restaurant,
        since=FRIDAY,
        requested_at=NOW,
    )
    make_one(books.household, double.household, by=agent)
    move = Move.objects.waiting().get()
    assert (move.household, move.child, move.enrolment) == (books.household, books.child, books.enrolment)


def test_what_was_ticked_and_not_recorded_is_left_and_said(books, double, canteen, agent, now):
    ticked = reservation_drafts.choose(
        double.enrolment,
        canteen.restaurant,
        canteen.period,
        book=[Choice(canteen.formula.pk, THURSDAY)],
        cancel=(),
        by=double.user,
        at=now,
    )
    said = make_one(books.household, double.household, by=agent)
    assert any("n'avait pas enregistrée est abandonnée" in line for line in said)
    assert not Reservation.objects.filter(pk=ticked.pk).exists()


def test_reservations_follow_with_their_numbers(books, double, asks, agent):
    reservation = asks(double, THURSDAY, FRIDAY)
    make_one(books.household, double.household, by=agent)
    reservation.refresh_from_db()
    assert (reservation.household, reservation.child) == (books.household, books.child)
    assert Booking.objects.filter(state="requested", enrolment=books.enrolment).count() == 2


def test_the_family_books_on_in_the_kept_household(books, double, asks, agent):
    make_one(books.household, double.household, by=agent)
    asks(books, THURSDAY, on_request=False)
    audit()
    with pytest.raises(BookingRefused):
        asks(double, FRIDAY, on_request=False)


days = st.lists(st.sampled_from([THURSDAY, FRIDAY, date(2026, 12, 3), date(2026, 12, 4)]), unique=True)


@on_the_database
@given(ours=days, theirs=days, room=st.integers(0, 2), answered=st.booleans(), swapped=st.booleans())
def test_whatever_both_had_places_taken_are_bookings_and_each_day_is_held_once(
    books, waits, asks, agent, ours, theirs, room, answered, swapped
):
    with transaction.atomic():
        double = double_of(books)
        Slot.objects.update(capacity=room)
        for who, wanted in ((books, ours), (waits, ours[:1]), (double, theirs)):
            if wanted:
                asks(who, *wanted, on_request=answered)
        kept, emptied = (double, books) if swapped else (books, double)
        had = {one.day for one in Booking.objects.live().exclude(child=waits.child)}
        held = {one.day for one in Booking.objects.holding().exclude(child=waits.child)}
        make_one(kept.household, emptied.household, by=agent)
        live = Booking.objects.live().filter(child=kept.child)
        assert sorted(one.day for one in live) == sorted(had)
        assert held <= {one.day for one in live.holding()}
        assert not Booking.objects.live().filter(household=emptied.household).exists()
        audit()
        transaction.set_rollback(True)


def queries_of(kept, emptied, agent):
    with CaptureQueriesContext(connection) as seen:
        make_one(kept.household, emptied.household, by=agent)
    return len(seen)


def test_ten_days_cost_as_many_queries_as_one(books, waits, asks, agent):
    one, ten = double_of(books), double_of(waits, login="dix")
    asks(books, THURSDAY, on_request=False)
    asks(one, THURSDAY, on_request=False)
    many = [THURSDAY, FRIDAY, *(date(2026, 12, day) for day in (3, 4, 7, 8, 10, 11, 14, 15))]
    asks(waits, *many, on_request=False)
    asks(ten, *many, on_request=False)
    Numbering("F", 2026)  # the first of a year is made
    households_of(agent)  # who acts is asked for once
    assert queries_of(waits, ten, agent) <= queries_of(books, one, agent)
