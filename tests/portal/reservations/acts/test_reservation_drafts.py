"""Ticks kept on the server until they are recorded."""

from datetime import date, timedelta

import pytest

from portal.reservations.acts import booking, reservation_drafts
from portal.reservations.models import Enrolment, Reservation, ReservationLine
from tests.factories import EnrolmentFactory
from tests.portal.reservations.audit import MONDAY, THURSDAY, TUESDAY, choices, draft, reserve

pytestmark = pytest.mark.usefixtures("books_kept")


def kept(reservation: Reservation) -> list[tuple]:
    return list(reservation.lines.values_list("day", "action", "accepts_waiting"))


def test_ticks_are_kept_in_one_draft(books, canteen, now):
    first = draft(books, canteen, at=now, book=choices(canteen, [MONDAY, TUESDAY]))
    assert (first.is_draft, first.created_by, first.household) == (True, books.user, books.household)
    assert kept(first) == [(MONDAY, "book", False), (TUESDAY, "book", False)]


def test_choosing_again_changes_the_same_draft(books, canteen, now):
    first = draft(books, canteen, at=now, book=choices(canteen, [MONDAY, TUESDAY]))
    unchanged = first.lines.get(day=TUESDAY)
    later = now + timedelta(minutes=3)
    again = draft(
        books,
        canteen,
        at=later,
        book=choices(canteen, [TUESDAY]),
        wait=choices(canteen, [MONDAY]),
        cancel=choices(canteen, [THURSDAY]),
    )
    assert (again, again.touched_at) == (first, later)
    assert kept(again) == [
        (MONDAY, "book", True),
        (TUESDAY, "book", False),
        (THURSDAY, "cancel", False),
    ]
    assert unchanged in again.lines.all()
    assert Reservation.objects.count() == 1


def test_choosing_nothing_leaves_no_draft(books, canteen, now):
    draft(books, canteen, at=now, book=choices(canteen, [MONDAY]))
    assert draft(books, canteen, at=now) is None
    assert draft(books, canteen, at=now) is None
    assert (Reservation.objects.count(), ReservationLine.objects.count()) == (0, 0)


def test_each_child_has_an_own_draft(books, waits, canteen, now):
    mine = draft(books, canteen, at=now, book=choices(canteen, [MONDAY]))
    theirs = draft(waits, canteen, at=now, book=choices(canteen, [MONDAY]))
    assert mine != theirs
    assert reservation_drafts.find_draft(books.enrolment, canteen.restaurant, canteen.period) == mine


def test_a_recorded_reservation_is_never_changed_by_new_ticks(books, canteen, now):
    recorded = reserve(books, canteen, MONDAY, at=now)
    fresh = draft(books, canteen, at=now, book=choices(canteen, [TUESDAY]))
    assert fresh != recorded
    assert kept(recorded) == [(MONDAY, "book", False)]


def test_a_draft_follows_the_enrolment_that_replaces_a_refused_one(books, canteen, year, now):
    first = draft(books, canteen, at=now, book=choices(canteen, [MONDAY]))
    Enrolment.objects.update(state="ended")
    enrolment = EnrolmentFactory(
        household=books.household,
        child=books.child,
        activity=canteen.activity,
        establishment=canteen.restaurant,
        school_year=year,
    )
    ticks = choices(canteen, [MONDAY])
    again = reservation_drafts.choose(
        enrolment, canteen.restaurant, canteen.period, book=ticks, by=books.user, at=now
    )
    assert again == first
    assert booking.submit(again, by=books.user, at=now).state == "accepted"


def test_abandoning_throws_the_draft_away(books, canteen, now):
    reservation_drafts.abandon(draft(books, canteen, at=now, book=choices(canteen, [MONDAY])))
    assert Reservation.objects.count() == 0


def test_what_is_recorded_is_not_abandoned(books, canteen, now):
    recorded = reserve(books, canteen, MONDAY, at=now)
    reservation_drafts.abandon(recorded)
    assert Reservation.objects.get() == recorded


def test_old_drafts_are_purged_and_nothing_else(books, waits, canteen, now):
    old = draft(books, canteen, at=now - timedelta(days=31), book=choices(canteen, [MONDAY]))
    recent = draft(waits, canteen, at=now - timedelta(days=2), book=choices(canteen, [MONDAY]))
    assert reservation_drafts.purge_drafts(before=now - timedelta(days=30)) == 1
    assert list(Reservation.objects.all()) == [recent]
    assert old != recent


def test_two_tabs_in_the_same_instant_keep_the_days_of_both(books, canteen, now):
    def tick(day: date, seen: str) -> None:
        reservation_drafts.choose(
            books.enrolment,
            canteen.restaurant,
            canteen.period,
            book=choices(canteen, [day]),
            seen=seen,
            by=books.user,
            at=now,
        )

    tick(MONDAY, "")
    tick(TUESDAY, "")
    found = Reservation.objects.drafts().get()
    assert [line.day for line in found.lines.all()] == [MONDAY, TUESDAY]
    tick(THURSDAY, found.version)
    assert [line.day for line in found.lines.all()] == [THURSDAY]
