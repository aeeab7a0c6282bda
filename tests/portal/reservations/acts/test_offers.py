"""Waiting lists: nobody gets a place past the moment when he could still cancel, unless he waits until the
day itself; places that are offered until an hour, taken, left, or let go to the next one."""

from datetime import time, timedelta

import pytest
from django.db import IntegrityError, transaction

from portal.reservations.acts import booking, reservation_drafts
from portal.reservations.acts.refusals import BookingRefused
from portal.reservations.models import Activity, ActivityDeadline, Booking, Formula
from portal.reservations.states import Action, BookingState
from tests.factories import DeadlineRuleFactory, paris
from tests.portal.reservations.audit import (
    MONDAY,
    TUESDAY,
    choices,
    draft,
    give_up,
    outcomes,
    reserve,
    states,
)

# The canteen's rule: until 10:00 two working days before.
LAST = paris(2026, 11, 14, 10)
HOURS = timedelta(hours=6)


pytestmark = pytest.mark.usefixtures("books_kept")


@pytest.fixture
def letters(django_capture_on_commit_callbacks, mailoutbox):
    """Runs an act, lets its transaction commit, and returns the letters sent."""

    def run(act, *args, **kwargs):
        with django_capture_on_commit_callbacks(execute=True):
            act(*args, **kwargs)
        sent = list(mailoutbox)
        mailoutbox.clear()
        return sent

    return run


@pytest.fixture
def full(books, waits, canteen, shut, now):
    """Lina has the one place of Monday; Noé waits for it."""
    shut(MONDAY, 1)
    reserve(books, canteen, MONDAY, at=now)
    reserve(waits, canteen, MONDAY, at=now, wait=True)


@pytest.fixture
def offers(canteen):
    """Places are offered for six hours."""
    Activity.objects.update(offer_hours=6)


def of(who, day=MONDAY) -> Booking:
    return Booking.objects.filter(child=who.child, day=day).latest("pk")


def frees(who, agent, at, day=MONDAY) -> None:
    """The town hall cancels the family's day, whatever the deadlines."""
    booking.cancel([of(who, day)], by=agent, at=at)


@pytest.mark.parametrize(
    ("at", "until_the_day", "gets"),
    [
        (LAST - timedelta(seconds=1), False, True),
        (LAST + timedelta(seconds=1), False, False),
        (LAST + timedelta(seconds=1), True, True),
        (paris(2026, 11, 16, 11, 59), True, True),  # the day itself, until it begins
        (paris(2026, 11, 16, 12, 0), True, False),
        (paris(2026, 11, 17, 8), True, False),
    ],
)
def test_a_place_is_given_as_long_as_one_could_still_cancel(
    full, books, waits, agent, at, until_the_day, gets
):
    Booking.objects.filter(pk=of(waits).pk).update(until_the_day=until_the_day)
    frees(books, agent, at)
    assert states(waits, MONDAY) == ["accepted" if gets else "waitlisted"]


def test_until_the_day_is_until_the_formula_begins(full, books, waits, canteen, agent):
    Formula.objects.update(starts_at=time(7, 30), ends_at=time(8, 30))
    Booking.objects.update(until_the_day=True)
    frees(books, agent, paris(2026, 11, 16, 7, 31))
    assert states(waits, MONDAY) == ["waitlisted"]


def test_what_can_be_cancelled_on_the_day_itself_is_given_until_then(full, books, waits, canteen, agent):
    rule = DeadlineRuleFactory(number=0, at=time(9))
    ActivityDeadline.objects.filter(action=Action.CANCEL).update(rule=rule)
    frees(books, agent, paris(2026, 11, 16, 8, 59))
    assert states(waits, MONDAY) == ["accepted"]


def test_one_who_waits_until_the_day_passes_by_those_who_do_not(
    full, books, waits, another, canteen, agent, now
):
    garnier = another("Garnier")
    reserve(garnier, canteen, MONDAY, at=now + timedelta(minutes=1), wait=True)
    Booking.objects.filter(pk=of(garnier).pk).update(until_the_day=True)
    frees(books, agent, LAST + timedelta(hours=1))
    assert (states(waits, MONDAY), states(garnier, MONDAY)) == (["waitlisted"], ["accepted"])


def test_a_family_that_says_so_later_gets_the_place_that_is_free_already(full, books, waits, agent):
    late = LAST + timedelta(hours=1)
    frees(books, agent, late)
    got = booking.wait_until_the_day(of(waits), True, by=waits.user, at=late)
    assert got == [of(waits)] and states(waits, MONDAY) == ["accepted"]
    with pytest.raises(BookingRefused):
        booking.wait_until_the_day(of(waits), False, by=waits.user, at=late)


def test_the_choice_made_at_validation_is_kept_on_the_booking(waits, canteen, shut, now):
    shut(MONDAY, 0)
    begun = draft(waits, canteen, at=now, wait=choices(canteen, [MONDAY]), book=choices(canteen, [TUESDAY]))
    reservation_drafts.wait_until_the_day([begun], True)
    booking.submit(begun, by=waits.user, at=now)
    assert [of(waits, day).until_the_day for day in (MONDAY, TUESDAY)] == [True, False]


def test_a_town_offers_a_place_for_some_hours_and_the_family_takes_it(
    full, offers, books, waits, canteen, now
):
    give_up(books, canteen, MONDAY, at=now)
    held = of(waits)
    assert (held.state, held.offered_until) == ("offered", now + HOURS)
    assert canteen.slot(MONDAY).taken == 1  # held for Noé
    assert outcomes(held.reservation) == ["offered"]
    booking.take_offer(held, by=waits.user, at=now + HOURS - timedelta(seconds=1))
    booking.take_offer(held, by=waits.user, at=now + HOURS)  # told again, it is his all the same
    held.refresh_from_db()
    assert (held.state, held.offered_until, outcomes(held.reservation)) == ("accepted", None, ["accepted"])
    assert held.reservation.state == "accepted"


def test_an_offer_never_passes_the_moment_when_one_could_still_cancel(full, offers, books, waits, agent):
    at = LAST - timedelta(hours=2)
    frees(books, agent, at)
    assert of(waits).offered_until == LAST


def test_past_that_moment_nothing_is_offered(full, offers, books, waits, agent):
    frees(books, agent, LAST)
    assert states(waits, MONDAY) == ["waitlisted"]


@pytest.mark.parametrize("how", ["declined", "late"])
def test_a_place_not_taken_is_offered_to_the_next_one(
    full, offers, books, waits, another, canteen, now, how, letters
):
    garnier = another("Garnier")
    reserve(garnier, canteen, MONDAY, at=now + timedelta(minutes=1), wait=True)
    (letter, _) = sorted(letters(give_up, books, canteen, MONDAY, at=now), key=lambda one: one.to)
    assert letter.subject == "Une place est proposée à Noé : à vous de répondre"
    assert f"/reservations/attente/{of(waits).pk}/" in letter.body and "16\N{NO-BREAK SPACE}h" in letter.body
    over = now + HOURS
    if how == "declined":
        letters(booking.leave_list, of(waits), by=waits.user, at=now)
    else:
        with pytest.raises(BookingRefused):
            booking.take_offer(of(waits), by=waits.user, at=over)
        told = letters(booking.let_offers_go, at=over)
        assert [one.subject for one in told if "Noé" in one.subject] == [
            "La place proposée à Noé n'a pas été prise"
        ]
        assert booking.let_offers_go(at=over) == 0
    assert (states(waits, MONDAY), states(garnier, MONDAY)) == (["cancelled"], ["offered"])
    assert canteen.slot(MONDAY).taken == 1


def test_the_town_hall_answers_an_offer_for_the_family(full, offers, books, waits, canteen, agent, now):
    give_up(books, canteen, MONDAY, at=now)
    (line,) = of(waits).reservation.lines.all()
    assert booking.foresee_answer([line]).accepted == [line]
    booking.accept([line], by=agent, at=now)
    assert (states(waits, MONDAY), canteen.slot(MONDAY).taken) == (["accepted"], 1)


def test_an_offered_place_is_cancelled_refused_or_closed_like_any_other(
    full, offers, books, waits, canteen, agent, now
):
    give_up(books, canteen, MONDAY, at=now)
    booking.refuse(of(waits).reservation.lines.all(), reason="Non.", by=agent, at=now)
    assert (states(waits, MONDAY), canteen.slot(MONDAY).taken) == (["refused"], 0)


def test_a_family_gives_an_offer_back_by_its_planning_too(full, offers, books, waits, canteen, now):
    give_up(books, canteen, MONDAY, at=now)
    assert outcomes(give_up(waits, canteen, MONDAY, at=now)) == ["accepted"]
    assert (states(waits, MONDAY), canteen.slot(MONDAY).taken) == (["cancelled"], 0)


def test_a_child_that_left_the_home_takes_nothing(full, offers, books, waits, canteen, now):
    give_up(books, canteen, MONDAY, at=now)
    waits.child.custodies.update(until=MONDAY)
    with pytest.raises(BookingRefused, match="ne vivra plus"):
        booking.take_offer(of(waits), by=waits.user, at=now)


def test_the_database_knows_no_offer_without_its_hour(full, waits):
    with pytest.raises(IntegrityError), transaction.atomic():
        Booking.objects.filter(pk=of(waits).pk).update(state=BookingState.OFFERED)
