"""An enrolment ends on a day that is said, with its reason; what is booked after that leaves or is said."""

from datetime import date, timedelta
from decimal import Decimal

import pytest

from billing.invoices import invoicing
from families.custody.own import OwnHousehold
from families.models import Custody, Guardian
from portal.reservations import nightly
from portal.reservations.acts import booking, ending, enrolling
from portal.reservations.acts.ending import Ending, EndingRefused, Moved
from portal.reservations.acts.refusals import BookingRefused
from portal.reservations.models import (
    Activity,
    ActivityDeadline,
    Attendance,
    Booking,
    Enrolment,
    Reservation,
)
from portal.reservations.states import BookingState, EnrolmentState, Outcome, ReservationState
from tests.billing.conftest import END_OF_NOVEMBER, NOVEMBER
from tests.billing.invoices.test_facts_of_the_day import tariff
from tests.conftest import brother_of
from tests.factories import BookingFactory, paris
from tests.portal.reservations.audit import (
    FRIDAY,
    MONDAY,
    THURSDAY,
    TUESDAY,
    choices,
    draft,
    outcomes,
    reasons,
    reserve,
    states,
)
from tests.portal.reservations.conftest import WEDNESDAY

pytestmark = pytest.mark.usefixtures("books_kept")

TOMORROW = date(2026, 11, 10)  # too late since Sunday 8, 10:00
A_DAY = timedelta(days=1)
MOVES = "Déménagement."


@pytest.fixture
def end(books, agent, now):
    """The town hall ends the enrolment of the family that books."""

    def act(last_day=MONDAY, *, at=now, by=agent, seen="", **given) -> ending.Outlook:
        said = Ending(last_day, MOVES, **given)
        return ending.end(books.enrolment, said, by=by, at=at, seen=seen)

    return act


@pytest.fixture
def families_end(canteen):
    Activity.objects.filter(pk=canteen.activity.pk).update(families_end=True)


def days(bookings) -> list[date]:
    return [one.day for one in bookings]


def late_booking(who, canteen, day: date = TOMORROW) -> Booking:
    """A day for which it is too late, booked in time."""
    reserve(who, canteen, day, at=paris(2026, 11, 2, 9))
    return Booking.objects.get(child=who.child, day=day)


# At the desk ----------------------------------------------------------------------------------------------


def test_days_after_the_end_are_cancelled_free_of_charge(books, canteen, end, agent, now):
    reserve(books, canteen, MONDAY, TUESDAY, THURSDAY, at=now)
    found = end(MONDAY)
    assert (days(found.cancelled), found.withdrawn, found.asked, found.stays) == (
        [TUESDAY, THURSDAY],
        [],
        [],
        [],
    )
    assert states(books, MONDAY, TUESDAY, THURSDAY) == ["accepted", "cancelled", "cancelled"]
    assert [canteen.slot(day).taken for day in (MONDAY, TUESDAY, THURSDAY)] == [1, 0, 0]
    ended = Enrolment.objects.get(pk=books.enrolment.pk)
    assert (ended.state, ended.ends_on, ended.end_reason) == (EnrolmentState.ACCEPTED, MONDAY, MOVES)
    assert (ended.ended_by, ended.ended_at) == (agent, now)


def test_it_is_said_beforehand_and_the_same_is_done(books, canteen, end, now):
    reserve(books, canteen, TUESDAY, THURSDAY, at=now)
    late_booking(books, canteen)
    said = ending.outlook(books.enrolment, Ending(now.date(), MOVES), at=now)
    assert said.sentences == [
        "2 réservations après le 9 novembre 2026 seront annulées, sans frais : mardi 17 novembre et "
        "jeudi 19 novembre.",
        "1 réservation reste réservée, et facturée (annulation close depuis le dimanche 8 novembre à "
        "10\u00a0h) : mardi 10 novembre.",
    ]
    assert end(now.date(), seen=said.fingerprint).fingerprint == said.fingerprint
    assert states(books, TOMORROW, TUESDAY) == ["accepted", "cancelled"]


def test_what_changed_since_is_shown_again_and_nothing_is_done(books, canteen, end, now):
    said = ending.outlook(books.enrolment, Ending(MONDAY, MOVES), at=now)
    reserve(books, canteen, TUESDAY, at=now)
    with pytest.raises(Moved):
        end(MONDAY, seen=said.fingerprint)
    assert states(books, TUESDAY) == ["accepted"]
    assert Enrolment.objects.get(pk=books.enrolment.pk).ends_on is None


def test_the_town_hall_may_cancel_late_days_too(books, canteen, end, now):
    late_booking(books, canteen)
    assert days(end(now.date(), late_too=True).cancelled) == [TOMORROW]
    assert states(books, TOMORROW) == ["cancelled"]


def test_a_day_that_may_only_be_asked_for_is_left_to_the_choice_of_the_town_hall(books, canteen, end, now):
    late_booking(books, canteen)
    ActivityDeadline.objects.filter(action="cancel").update(late="request")
    (stays,) = ending.outlook(books.enrolment, Ending(now.date(), MOVES), at=now).stays
    assert (stays.booking.day, stays.reason) == (TOMORROW, ending.TOO_LATE)


def test_waiting_requests_leave_and_freed_places_are_offered(books, waits, canteen, end, asks, shut, now):
    shut(TUESDAY, 1)
    reserve(books, canteen, TUESDAY, at=now)
    reserve(waits, canteen, TUESDAY, at=now, wait=True)
    shut(THURSDAY, 0)
    waiting = reserve(books, canteen, THURSDAY, at=now, wait=True)
    asked = asks(books, FRIDAY)
    found = end(MONDAY)
    assert (days(found.cancelled), days(found.withdrawn)) == ([TUESDAY], [THURSDAY, FRIDAY])
    assert states(books, TUESDAY, THURSDAY, FRIDAY) == ["cancelled"] * 3
    assert states(waits, TUESDAY) == ["accepted"]
    assert (outcomes(waiting), outcomes(asked)) == ([Outcome.CANCELLED], [Outcome.CANCELLED])


def test_in_the_past_billed_and_entered_days_stay_as_they_are(books, canteen, end, now):
    tariff(canteen.formula, "4.00")
    past = [date(2026, 11, day) for day in (2, 3, 5)]
    for day in past:
        reserve(books, canteen, day, at=paris(2026, 10, 25, 9))
    one = Booking.objects.get(day=past[1])
    Attendance.objects.create(
        booking=one, household=books.household, child=books.child, formula=canteen.formula,
        establishment=canteen.restaurant, day=one.day, state="present", entered_at=now,
    )  # fmt: skip
    invoicing.issue(invoicing.start(NOVEMBER, by=None, at=now), at=now)
    billed = {day for day in past if Booking.objects.get(day=day).billed.exists()}
    found = end(past[0], late_too=True)
    assert {stays.booking.day for stays in found.stays} == billed - {past[0]}
    assert {stays.reason for stays in found.stays} == {ending.BILLED}
    ended = Enrolment.objects.get(pk=books.enrolment.pk)
    assert (ended.state, ended.ends_on) == (EnrolmentState.ENDED, past[0])


def test_in_the_past_what_is_neither_billed_nor_entered_is_due_unless_the_town_hall_says_so(
    books, canteen, end, now
):
    reserve(books, canteen, date(2026, 11, 5), date(2026, 11, 6), at=paris(2026, 10, 25, 9))
    Attendance.objects.create(
        booking=Booking.objects.get(day=date(2026, 11, 6)), household=books.household, child=books.child,
        formula=canteen.formula, establishment=canteen.restaurant, day=date(2026, 11, 6), state="absent",
        entered_at=now,
    )  # fmt: skip
    said = ending.outlook(books.enrolment, Ending(date(2026, 11, 3), MOVES), at=now)
    assert [stays.reason for stays in said.stays] == [ending.PAST, ending.ENTERED]
    assert "ne change pas (déjà pointé)" in said.sentences[1]
    assert days(end(date(2026, 11, 3), late_too=True).cancelled) == [date(2026, 11, 5)]


def test_a_reason_is_kept(books, agent, now):
    with pytest.raises(EndingRefused, match="motif"):
        ending.end(books.enrolment, Ending(MONDAY, " "), by=agent, at=now)


def test_an_agent_ends_nothing_of_the_own_household(books, end, agent):
    Guardian.objects.filter(pk=books.guardian.pk).update(user=agent)
    with pytest.raises(OwnHousehold):
        end()


def test_what_is_over_or_waits_does_not_end(books, end):
    for state in ("refused", "ended", "requested"):
        Enrolment.objects.update(state=state)
        with pytest.raises(EndingRefused):
            end()


# Afterwards -----------------------------------------------------------------------------------------------


def test_no_day_after_the_end_is_booked(books, canteen, end, now):
    end(MONDAY)
    books.enrolment.refresh_from_db()
    reservation = reserve(books, canteen, MONDAY, TUESDAY, at=now)
    assert outcomes(reservation) == [Outcome.ACCEPTED, Outcome.REFUSED]
    assert reasons(reservation)[1] == "L'inscription se termine le lundi 16 novembre."


def test_a_page_read_before_the_end_books_nothing_after_it(books, canteen, end, now):
    """The enrolment is read again under the lock that its end holds."""
    stale = draft(books, canteen, at=now, book=choices(canteen, [TUESDAY]))
    kept = booking.homes.held

    def ends_first(*keys):
        booking.homes.held = kept
        end(MONDAY)
        return kept(*keys)

    booking.homes.held = ends_first
    try:
        recorded = booking.submit(stale, by=books.user, at=now)
    finally:
        booking.homes.held = kept
    assert outcomes(recorded) == [Outcome.REFUSED]


def test_an_enrolment_over_meanwhile_books_nothing(books, canteen, end, now):
    chosen = draft(books, canteen, at=now, book=choices(canteen, [TUESDAY]))
    end(date(2026, 11, 6))
    with pytest.raises(BookingRefused, match="n'est plus, acceptée"):
        booking.submit(chosen, by=books.user, at=now)


def test_the_night_after_the_last_day_ends_it_and_forgets_its_draft(books, canteen, end, now):
    end(MONDAY)
    draft(books, canteen, at=now, book=choices(canteen, [MONDAY]))
    night = paris(2026, 11, 16, 2)
    assert nightly.enrolments_ended(night) == 0
    assert nightly.enrolments_ended(night + A_DAY) == 1
    assert nightly.enrolments_ended(night + A_DAY) == 0
    ended = Enrolment.objects.get(pk=books.enrolment.pk)
    assert (ended.state, ended.ends_on) == (EnrolmentState.ENDED, MONDAY)
    nightly.forget_drafts(night + A_DAY)
    assert not Reservation.objects.drafts().exists()


def again(who, canteen, year, at) -> Enrolment:
    return enrolling.request(
        household=who.household, child=who.child, activity=canteen.activity,
        establishment=canteen.restaurant, school_year=year, weekdays=1,
        starts_on=at.date(), by=who.user, at=at,
    )  # fmt: skip


def test_one_may_enrol_again_once_the_day_has_passed_even_before_the_night(books, canteen, end, year, now):
    end(MONDAY)
    with pytest.raises(enrolling.EnrolmentRefused, match="a déjà une inscription"):
        again(books, canteen, year, now)
    anew = again(books, canteen, year, paris(2026, 11, 17, 1))
    assert anew.state == EnrolmentState.REQUESTED
    assert Enrolment.objects.get(pk=books.enrolment.pk).state == EnrolmentState.ENDED


def test_another_end_may_be_said_before_it_comes(books, canteen, end, now):
    reserve(books, canteen, TUESDAY, at=now)
    end(FRIDAY)
    assert days(end(MONDAY).cancelled) == [TUESDAY]
    assert Enrolment.objects.get(pk=books.enrolment.pk).ends_on == MONDAY


def test_siblings_prices_follow_from_that_day_on(canteen, books, end, agent, now):
    """4 € alone, 3 € for two: Lina leaves after Monday 16, her brother eats on."""
    tariff(canteen.formula, "4.00", {"when": "children", "number": 2, "effect": "price", "amount": 3})
    brother = brother_of(books, "Tom")
    for day in (MONDAY, TUESDAY, THURSDAY):
        BookingFactory(enrolment=brother, formula=canteen.formula, day=day, establishment=canteen.restaurant)
    end(MONDAY)
    run = invoicing.issue(invoicing.start(NOVEMBER, by=None, at=END_OF_NOVEMBER), at=END_OF_NOVEMBER)
    assert run is not None
    assert sum(one.total for one in books.household.invoices.all()) == Decimal(3 + 4 + 4)


def test_the_other_home_that_takes_a_child_over_takes_its_end_over(books, stranger, end, agent, now):
    end(FRIDAY)
    Custody.objects.create(child=books.child, household=stranger.household)
    found = enrolling.hand_over(
        books.child.pk, books.household.pk, stranger.household, starts_on=now.date(), by=agent, at=now
    )
    assert [(one.ends_on, one.end_reason) for one in found.values()] == [(FRIDAY, MOVES)]


# Taken up again -------------------------------------------------------------------------------------------


def test_until_the_day_has_passed_the_end_is_put_away_and_days_do_not_come_back(
    books, canteen, end, agent, now
):
    reserve(books, canteen, TUESDAY, at=now)
    end(MONDAY)
    ending.resume(books.enrolment, by=agent, at=paris(2026, 11, 16, 23))
    taken_up = Enrolment.objects.get(pk=books.enrolment.pk)
    assert (taken_up.ends_on, taken_up.end_reason, taken_up.ended_by, taken_up.ended_at) == (
        None,
        "",
        None,
        None,
    )
    assert states(books, TUESDAY) == ["cancelled"]
    assert outcomes(reserve(books, canteen, TUESDAY, at=now)) == ["accepted"]
    assert books.enrolment.history.first().end_reason == ""


@pytest.mark.parametrize("state", ["accepted", "ended"])
def test_once_the_day_has_passed_one_enrols_again(books, end, agent, state):
    end(MONDAY)
    Enrolment.objects.update(state=state)
    with pytest.raises(EndingRefused, match="est terminée"):
        ending.resume(books.enrolment, by=agent, at=paris(2026, 11, 17, 0))


def test_of_a_child_that_left_nothing_is_taken_up(books, end, agent, now):
    end(MONDAY)
    Custody.objects.update(until=now.date())
    with pytest.raises(EndingRefused, match="ne vit plus dans ce foyer"):
        ending.resume(books.enrolment, by=agent, at=now)


# By the family --------------------------------------------------------------------------------------------


def test_a_family_ends_only_where_the_activity_allows_it(books, end):
    with pytest.raises(EndingRefused, match="La mairie met fin"):
        end(MONDAY, by=books.user, by_family=True)


def test_its_days_go_by_a_reservation_of_its_own(families_end, books, canteen, end, now):
    reserve(books, canteen, TUESDAY, THURSDAY, at=now)
    found = end(MONDAY, by=books.user, by_family=True)
    assert days(found.cancelled) == [TUESDAY, THURSDAY]
    own = Reservation.objects.order_by("pk").last()
    assert (own.state, own.created_by, own.submitted_at) == (ReservationState.ACCEPTED, books.user, now)
    assert [(line.day, line.action, line.outcome) for line in own.lines.all()] == [
        (TUESDAY, "cancel", "accepted"),
        (THURSDAY, "cancel", "accepted"),
    ]


def test_at_the_deadlines_late_days_stay_or_are_asked_for(families_end, books, canteen, end, now):
    late_booking(books, canteen)
    said = ending.outlook(books.enrolment, Ending(now.date(), MOVES, by_family=True), at=now)
    assert [one.booking.day for one in said.stays] == [TOMORROW]
    ActivityDeadline.objects.filter(action="cancel").update(late="request")
    found = end(now.date(), by=books.user, by_family=True, late_too=True)  # which is not theirs to say
    assert days(found.asked) == [TOMORROW]
    assert states(books, TOMORROW) == [BookingState.CANCEL_REQUESTED]
    own = Reservation.objects.order_by("pk").last()
    assert (own.state, outcomes(own)) == (ReservationState.PENDING, [Outcome.REQUESTED])


def test_where_cancelling_is_on_request_the_town_hall_answers(families_end, books, canteen, end, now):
    reserve(books, canteen, TUESDAY, at=now)
    Activity.objects.update(cancel_processing="on_request")
    found = end(MONDAY, by=books.user, by_family=True)
    assert (days(found.asked), states(books, TUESDAY)) == ([TUESDAY], ["cancel_requested"])
    # Said again, it is not asked for twice.
    (stays,) = end(MONDAY, by=books.user, by_family=True).stays
    assert stays.reason == ending.ASKED


def test_a_change_that_nobody_answered_falls_and_its_day_goes(
    families_end, books, plays, wednesdays, agent, now
):
    who = plays(books)
    Activity.objects.update(families_end=True)
    reserve(who, wednesdays, WEDNESDAY, at=now)
    Activity.objects.update(processing="on_request")
    held = Booking.objects.get(child=who.child, day=WEDNESDAY)
    booking.change(held, wednesdays.morning, by=who.user, at=now)
    said = Ending(MONDAY, MOVES, by_family=True)
    found = ending.end(who.enrolment, said, by=who.user, at=now)
    assert (days(found.cancelled), days(found.withdrawn)) == ([WEDNESDAY], [WEDNESDAY])
    assert set(Booking.objects.filter(child=who.child).values_list("state", flat=True)) == {"cancelled"}


def test_a_family_ends_from_today_on(families_end, books, end, now):
    with pytest.raises(EndingRefused, match="aujourd'hui ou un jour à venir"):
        end(now.date() - A_DAY, by=books.user, by_family=True)


def test_a_family_takes_up_what_it_ended_and_not_what_the_town_hall_did(families_end, books, end, agent, now):
    end(MONDAY, by=books.user, by_family=True)
    ending.resume(books.enrolment, by=books.user, at=now, by_family=True)
    end(MONDAY)
    with pytest.raises(EndingRefused, match="La mairie a mis fin"):
        ending.resume(books.enrolment, by=books.user, at=now, by_family=True)
    with pytest.raises(EndingRefused, match="La mairie met fin"):
        end(FRIDAY, by=books.user, by_family=True)


# Letters --------------------------------------------------------------------------------------------------


def test_the_family_reads_when_why_and_what_becomes_of_each_day(
    books, canteen, end, now, mailoutbox, django_capture_on_commit_callbacks
):
    reserve(books, canteen, TUESDAY, THURSDAY, at=now)
    late_booking(books, canteen)
    with django_capture_on_commit_callbacks(execute=True):
        end(now.date())
    (letter,) = mailoutbox  # one, not one more for the days
    assert letter.subject == "Fin de l'inscription le lundi 9 novembre 2026 : Lina, Restauration scolaire"
    assert "Motif : Déménagement." in letter.body
    assert "Jours annulés, sans frais (2 jours)\n  novembre 2026 : mardi 17, jeudi 19" in letter.body
    assert "Jours qui restent réservés, et facturés (1 jour)\n  novembre 2026 : mardi 10" in letter.body
    assert "Motif : annulation close depuis le dimanche 8 novembre" in letter.body


def test_the_family_reads_that_it_goes_on(
    books, end, agent, now, mailoutbox, django_capture_on_commit_callbacks
):
    end(MONDAY)
    with django_capture_on_commit_callbacks(execute=True):
        ending.resume(books.enrolment, by=agent, at=now)
    (letter,) = mailoutbox
    assert letter.subject == "L'inscription continue : Lina, Restauration scolaire"
    assert "Les jours annulés ne reviennent pas" in letter.body


# Queries --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 10])
def test_the_outlook_reads_a_place_and_period_once(books, canteen, now, count, django_assert_num_queries):
    open_days = [MONDAY + timedelta(days=offset) for offset in range(14)]
    booked = [day for day in open_days if day.weekday() < 5][:count]
    reserve(books, canteen, *booked, at=now)
    enrolment = Enrolment.objects.select_related("activity", "child", "household").get(pk=books.enrolment.pk)
    with django_assert_num_queries(3):  # the days, their calendar, its deadlines
        found = ending.outlook(enrolment, Ending(now.date(), MOVES), at=now)
    assert len(found.cancelled) == count
