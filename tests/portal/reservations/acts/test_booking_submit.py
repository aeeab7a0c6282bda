"""« Enregistrer »: what becomes of each day, and what is left untouched."""

from datetime import date, timedelta

import pytest

from billing.reminders import arrears
from families.models import Custody, asked_texts
from portal.reservations.acts import booking
from portal.reservations.acts.refusals import BookingRefused, Choice, PlacesLost
from portal.reservations.models import (
    Activity,
    ActivityDeadline,
    Booking,
    BookingEvent,
    DeadlineRule,
    Enrolment,
    Formula,
    Period,
    Place,
    Slot,
    demanding_papers,
)
from portal.reservations.states import BookingState, EnrolmentState, Outcome, ReservationState
from tests.conftest import Family, family
from tests.factories import (
    BookingFactory,
    ClosureFactory,
    EnrolmentFactory,
    EstablishmentFactory,
    SlotFactory,
    paris,
)
from tests.portal.reservations.audit import (
    FRIDAY,
    MONDAY,
    THURSDAY,
    TUESDAY,
    choices,
    draft,
    give_up,
    outcomes,
    reasons,
    reserve,
    states,
)
from tests.portal.reservations.conftest import WEDNESDAY

pytestmark = pytest.mark.usefixtures("books_kept")

TOMORROW = date(2026, 11, 10)  # too late since Sunday 8, 10:00
HOLIDAY = date(2026, 11, 11)


def late(activity: Activity, policy: str, action: str = "book") -> None:
    ActivityDeadline.objects.filter(activity=activity, action=action).update(late=policy)


# Booking --------------------------------------------------------------------------------------------------


def test_days_on_time_are_accepted_at_once(books, canteen, now):
    reservation = reserve(books, canteen, MONDAY, TUESDAY, at=now)
    assert (reservation.state, outcomes(reservation)) == (ReservationState.ACCEPTED, [Outcome.ACCEPTED] * 2)
    assert (reservation.submitted_at, reservation.decided_at) == (now, None)
    assert states(books, MONDAY, TUESDAY) == [BookingState.ACCEPTED] * 2
    assert [canteen.slot(day).taken for day in (MONDAY, TUESDAY, THURSDAY)] == [1, 1, 0]


def test_a_booking_knows_where_it_comes_from(books, canteen, now):
    reservation = reserve(books, canteen, MONDAY, at=now)
    made = Booking.objects.get()
    assert (made.household, made.child, made.enrolment) == (books.household, books.child, books.enrolment)
    assert (made.reservation, made.establishment, made.formula) == (
        reservation,
        canteen.restaurant,
        canteen.formula,
    )
    event = BookingEvent.objects.get()
    assert (event.booking, event.state, event.by, event.at) == (made, "accepted", books.user, now)
    assert event.reservation == reservation


def test_an_activity_on_request_makes_requests(books, canteen, now):
    Activity.objects.update(processing=Activity.Processing.ON_REQUEST)
    reservation = reserve(books, canteen, MONDAY, at=now)
    assert (reservation.state, outcomes(reservation)) == (ReservationState.PENDING, [Outcome.REQUESTED])
    assert states(books, MONDAY) == [BookingState.REQUESTED]
    assert canteen.slot(MONDAY).taken == 0


def test_recording_twice_changes_nothing(books, canteen, now):
    first = reserve(books, canteen, MONDAY, at=now)
    again = booking.submit(first, by=books.user, at=now + timedelta(minutes=1))
    assert (again.pk, again.submitted_at) == (first.pk, now)
    assert (Booking.objects.count(), BookingEvent.objects.count()) == (1, 1)


def test_a_draft_without_days_is_refused(books, canteen, now):
    empty = draft(books, canteen, at=now, book=choices(canteen, [MONDAY]))
    empty.lines.all().delete()
    with pytest.raises(BookingRefused, match="Aucun jour n'est choisi"):
        booking.submit(empty, by=books.user, at=now)
    empty.refresh_from_db()
    assert empty.is_draft


@pytest.mark.parametrize("state", [EnrolmentState.REQUESTED, EnrolmentState.REFUSED, EnrolmentState.ENDED])
def test_without_an_accepted_enrolment_nothing_is_recorded(books, canteen, now, state):
    ready = draft(books, canteen, at=now, book=choices(canteen, [MONDAY]))
    Enrolment.objects.update(state=state)
    with pytest.raises(BookingRefused, match="inscription"):
        booking.submit(ready, by=books.user, at=now)
    ready.refresh_from_db()
    assert (ready.is_draft, Booking.objects.count()) == (True, 0)


# Places ---------------------------------------------------------------------------------------------------


def test_the_last_place_is_given_once(books, waits, canteen, shut, now):
    shut(MONDAY, 1)
    mine = draft(books, canteen, at=now, book=choices(canteen, [MONDAY]))
    theirs = draft(waits, canteen, at=now, book=choices(canteen, [MONDAY, TUESDAY]))
    booking.submit(mine, by=books.user, at=now)
    with pytest.raises(PlacesLost, match="lundi 16 novembre") as lost:
        booking.submit(theirs, by=waits.user, at=now)
    assert lost.value.choices == choices(canteen, [MONDAY])


def test_a_lost_place_leaves_everything_as_it_was(books, waits, canteen, shut, now):
    shut(MONDAY, 1)
    theirs = draft(waits, canteen, at=now, book=choices(canteen, [MONDAY, TUESDAY]))
    reserve(books, canteen, MONDAY, at=now)
    with pytest.raises(PlacesLost):
        booking.submit(theirs, by=waits.user, at=now)
    theirs.refresh_from_db()
    assert (theirs.is_draft, outcomes(theirs)) == (True, ["", ""])
    assert states(waits, MONDAY, TUESDAY) == [None, None]
    assert canteen.slot(TUESDAY).taken == 0


def test_many_lost_places_are_named_in_one_sentence(books, canteen, now):
    days = sorted(Slot.objects.values_list("day", flat=True))[8:16]
    ready = draft(books, canteen, at=now, book=choices(canteen, days))
    Slot.objects.update(capacity=0)
    with pytest.raises(PlacesLost, match="et 3 autres jours"):
        booking.submit(ready, by=books.user, at=now)


def test_a_full_day_waits_when_the_family_accepts_to(books, waits, canteen, shut, now):
    shut(MONDAY, 1)
    reserve(books, canteen, MONDAY, at=now)
    reservation = reserve(waits, canteen, MONDAY, at=now, wait=True)
    assert (reservation.state, outcomes(reservation)) == (ReservationState.PENDING, [Outcome.WAITLISTED])
    assert states(waits, MONDAY) == [BookingState.WAITLISTED]
    assert Booking.objects.get(child=waits.child).waiting_since == now
    assert canteen.slot(MONDAY).taken == 1


def test_who_accepts_to_wait_books_when_there_is_room_after_all(books, canteen, shut, now):
    shut(MONDAY, 1)
    assert outcomes(reserve(books, canteen, MONDAY, at=now, wait=True)) == [Outcome.ACCEPTED]


def test_without_a_waiting_list_a_full_day_is_lost(books, waits, canteen, shut, now):
    shut(MONDAY, 0)
    Activity.objects.update(waiting_list=False)
    with pytest.raises(PlacesLost):
        reserve(waits, canteen, MONDAY, at=now, wait=True)


def test_a_reservation_partly_waiting_is_partly_accepted(books, canteen, shut, now):
    shut(MONDAY, 0)
    ready = draft(books, canteen, at=now, wait=choices(canteen, [MONDAY]), book=choices(canteen, [TUESDAY]))
    reservation = booking.submit(ready, by=books.user, at=now)
    assert outcomes(reservation) == [Outcome.WAITLISTED, Outcome.ACCEPTED]
    assert reservation.state == ReservationState.PARTLY


def test_requests_do_not_take_places(books, waits, canteen, shut, now):
    shut(MONDAY, 1)
    Activity.objects.update(processing=Activity.Processing.ON_REQUEST)
    for who in (books, waits):
        assert outcomes(reserve(who, canteen, MONDAY, at=now)) == [Outcome.REQUESTED]


# Days that cannot be had ----------------------------------------------------------------------------------


def test_too_late_is_refused_with_its_moment(books, canteen, now):
    reservation = reserve(books, canteen, TOMORROW, at=now)
    assert (reservation.state, outcomes(reservation)) == (ReservationState.REFUSED, [Outcome.REFUSED])
    assert reasons(reservation) == ["Réservation close depuis le dimanche 8 novembre à 10 h."]
    assert Booking.objects.count() == 0


def test_the_last_moment_itself_is_on_time(books, canteen, now):
    thursday = date(2026, 11, 12)
    assert outcomes(reserve(books, canteen, thursday, at=paris(2026, 11, 10, 10))) == [Outcome.ACCEPTED]


def test_a_minute_later_is_late(books, canteen, now):
    thursday = date(2026, 11, 12)
    assert outcomes(reserve(books, canteen, thursday, at=paris(2026, 11, 10, 10, 1))) == [Outcome.REFUSED]


def test_late_may_be_a_request(books, canteen, now):
    late(canteen.activity, ActivityDeadline.Late.REQUEST)
    reservation = reserve(books, canteen, TOMORROW, MONDAY, at=now)
    assert outcomes(reservation) == [Outcome.REQUESTED, Outcome.ACCEPTED]
    assert [line.late for line in reservation.lines.all()] == [True, False]
    assert reservation.state == ReservationState.PENDING
    assert list(Booking.objects.values_list("late", flat=True)) == [True, False]


def test_late_may_be_accepted_and_is_marked(books, canteen, now):
    late(canteen.activity, ActivityDeadline.Late.ACCEPT)
    reservation = reserve(books, canteen, TOMORROW, at=now)
    assert outcomes(reservation) == [Outcome.ACCEPTED]
    assert (reservation.lines.get().late, Booking.objects.get().late) == (True, True)


@pytest.mark.parametrize("policy", ["request", "accept"])
def test_after_the_last_moment_late_is_refused_too(books, canteen, now, policy):
    late(canteen.activity, policy)
    reservation = reserve(books, canteen, date(2026, 11, 9), at=now)
    assert outcomes(reservation) == [Outcome.REFUSED]


@pytest.mark.parametrize(
    ("day", "reason"),
    [
        (HOLIDAY, "Férié : Armistice de 1918."),
        (date(2026, 11, 6), "Ce jour est passé."),
        (date(2026, 12, 21), "Ce jour n'est pas dans la période."),
        (date(2026, 11, 21), "Fermé le samedi."),
    ],
)
def test_other_days_are_refused_in_words(books, canteen, now, day, reason):
    reservation = reserve(books, canteen, day, at=now)
    assert (outcomes(reservation), reasons(reservation)) == ([Outcome.REFUSED], [reason])


def test_a_closure_counts_at_once(books, canteen, now):
    ready = draft(books, canteen, at=now, book=choices(canteen, [MONDAY, TUESDAY]))
    ClosureFactory(starts_on=MONDAY, establishment=canteen.restaurant, label="Grève du personnel")
    reservation = booking.submit(ready, by=books.user, at=now)
    assert outcomes(reservation) == [Outcome.REFUSED, Outcome.ACCEPTED]
    assert reasons(reservation) == ["Grève du personnel.", ""]
    assert reservation.state == ReservationState.PARTLY


def test_before_the_enrolment_begins_nothing_is_booked(books, canteen, now):
    Enrolment.objects.update(starts_on=TUESDAY)
    reservation = reserve(books, canteen, MONDAY, TUESDAY, at=now)
    assert outcomes(reservation) == [Outcome.REFUSED, Outcome.ACCEPTED]
    assert reasons(reservation)[0] == "L'inscription commence le mardi 17 novembre."


def test_before_the_period_opens_nothing_is_booked(books, canteen, now):
    Period.objects.update(opens_at=paris(2026, 11, 10, 7))
    reservation = reserve(books, canteen, MONDAY, at=now)
    assert reasons(reservation) == ["Réservation ouverte à partir du mardi 10 novembre à 7 h."]


def test_a_day_without_slot_is_not_open(books, canteen, now):
    canteen.slot(MONDAY).delete()
    assert reasons(reserve(books, canteen, MONDAY, at=now)) == ["Ce jour n'est pas ouvert à la réservation."]


def test_a_closed_slot_is_not_open(books, canteen, now):
    Slot.objects.filter(day=MONDAY).update(closed=True)
    assert reasons(reserve(books, canteen, MONDAY, at=now)) == ["Ce jour n'est pas ouvert à la réservation."]


def test_a_formula_of_another_activity_is_refused(books, canteen, wednesdays, now):
    ready = draft(books, canteen, at=now, book=[Choice(wednesdays.whole.pk, MONDAY)])
    reservation = booking.submit(ready, by=books.user, at=now)
    assert reasons(reservation) == ["Cette formule n'est pas, ou n'est plus, proposée."]


def test_a_formula_no_longer_offered_is_refused(books, canteen, now):
    Formula.objects.update(active=False)
    assert outcomes(reserve(books, canteen, MONDAY, at=now)) == [Outcome.REFUSED]


def test_never_means_never(books, canteen, now):
    DeadlineRule.objects.update(kind=DeadlineRule.Kind.NEVER)
    assert reasons(reserve(books, canteen, MONDAY, at=now)) == ["Ce jour ne peut pas être réservé en ligne."]


# Parts of a day -------------------------------------------------------------------------------------------


def test_a_whole_day_takes_a_place_in_every_part(books, wednesdays, plays, now):
    reserve(plays(books), wednesdays, WEDNESDAY, at=now)
    assert {part: slot.taken for part, slot in wednesdays.slots(WEDNESDAY).items()} == {
        "morning": 1,
        "noon": 1,
        "afternoon": 1,
    }


def test_a_whole_day_and_a_morning_exclude_each_other(books, wednesdays, plays, now):
    who = plays(books)
    reserve(who, wednesdays, WEDNESDAY, at=now)
    ready = draft(who, wednesdays, at=now, book=[Choice(wednesdays.morning.pk, WEDNESDAY)])
    reservation = booking.submit(ready, by=who.user, at=now)
    assert reasons(reservation) == ["Cet enfant a déjà une réservation sur cette partie de la journée."]


def test_both_in_one_reservation_give_the_first_only(books, wednesdays, plays, now):
    who = plays(books)
    both = choices(wednesdays, [WEDNESDAY], [wednesdays.morning, wednesdays.whole])
    reservation = booking.submit(draft(who, wednesdays, at=now, book=both), by=who.user, at=now)
    assert outcomes(reservation) == [Outcome.ACCEPTED, Outcome.REFUSED]


def test_morning_and_afternoon_go_together(books, wednesdays, plays, now):
    who = plays(books)
    both = choices(wednesdays, [WEDNESDAY], [wednesdays.morning, wednesdays.afternoon])
    reservation = booking.submit(draft(who, wednesdays, at=now, book=both), by=who.user, at=now)
    assert outcomes(reservation) == [Outcome.ACCEPTED] * 2


def test_a_whole_day_needs_room_in_every_part(books, waits, wednesdays, plays, now):
    Slot.objects.filter(day=WEDNESDAY, part="afternoon").update(capacity=1)
    first, second = plays(books), plays(waits)
    ready = draft(first, wednesdays, at=now, book=[Choice(wednesdays.afternoon.pk, WEDNESDAY)])
    booking.submit(ready, by=first.user, at=now)
    reservation = reserve(second, wednesdays, WEDNESDAY, at=now, wait=True)
    assert outcomes(reservation) == [Outcome.WAITLISTED]
    assert [slot.taken for slot in wednesdays.slots(WEDNESDAY).values()].count(1) == 1


def test_a_quota_bounds_its_own_formula_only(books, waits, wednesdays, plays, now):
    quota = SlotFactory(
        activity=wednesdays.activity,
        establishment=wednesdays.restaurant,
        day=WEDNESDAY,
        part="morning",
        formula=wednesdays.whole,
        capacity=1,
    )
    first, second = plays(books), plays(waits)
    reserve(first, wednesdays, WEDNESDAY, at=now)
    with pytest.raises(PlacesLost):
        reserve(second, wednesdays, WEDNESDAY, at=now)
    ready = draft(second, wednesdays, at=now, book=[Choice(wednesdays.morning.pk, WEDNESDAY)])
    assert outcomes(booking.submit(ready, by=second.user, at=now)) == [Outcome.ACCEPTED]
    quota.refresh_from_db()
    assert quota.taken == 1


# Cancelling -----------------------------------------------------------------------------------------------


def test_cancelling_on_time_frees_the_place(books, canteen, now):
    origin = reserve(books, canteen, MONDAY, TUESDAY, at=now)
    reservation = give_up(books, canteen, MONDAY, at=now)
    assert (reservation.state, outcomes(reservation)) == (ReservationState.ACCEPTED, [Outcome.ACCEPTED])
    assert states(books, MONDAY, TUESDAY) == [BookingState.CANCELLED, BookingState.ACCEPTED]
    assert canteen.slot(MONDAY).taken == 0
    origin.refresh_from_db()
    assert (origin.state, outcomes(origin)) == (
        ReservationState.ACCEPTED,
        [Outcome.CANCELLED, Outcome.ACCEPTED],
    )


def test_when_every_day_is_cancelled_the_reservation_says_so(books, canteen, now):
    origin = reserve(books, canteen, MONDAY, at=now)
    give_up(books, canteen, MONDAY, at=now)
    origin.refresh_from_db()
    assert origin.state == ReservationState.CANCELLED


def test_a_cancelled_day_may_be_booked_again(books, canteen, now):
    reserve(books, canteen, MONDAY, at=now)
    give_up(books, canteen, MONDAY, at=now)
    reserve(books, canteen, MONDAY, at=now)
    assert list(Booking.objects.order_by("pk").values_list("state", flat=True)) == ["cancelled", "accepted"]
    assert canteen.slot(MONDAY).taken == 1


def test_cancelling_on_request_keeps_the_place_until_answered(books, canteen, now):
    Activity.objects.update(cancel_processing=Activity.Processing.ON_REQUEST)
    reserve(books, canteen, MONDAY, at=now)
    reservation = give_up(books, canteen, MONDAY, at=now)
    assert (reservation.state, outcomes(reservation)) == (ReservationState.PENDING, [Outcome.REQUESTED])
    assert states(books, MONDAY) == [BookingState.CANCEL_REQUESTED]
    assert canteen.slot(MONDAY).taken == 1


def test_a_cancellation_is_asked_once(books, canteen, now):
    Activity.objects.update(cancel_processing=Activity.Processing.ON_REQUEST)
    reserve(books, canteen, MONDAY, at=now)
    give_up(books, canteen, MONDAY, at=now)
    again = give_up(books, canteen, MONDAY, at=now)
    assert reasons(again) == ["L'annulation de ce jour est déjà demandée."]


def test_too_late_to_cancel(books, canteen, now):
    BookingFactory(enrolment=books.enrolment, day=TOMORROW)
    reservation = give_up(books, canteen, TOMORROW, at=now)
    assert reasons(reservation) == ["Annulation close depuis le dimanche 8 novembre à 10 h."]
    assert states(books, TOMORROW) == [BookingState.ACCEPTED]


def test_a_late_cancellation_may_be_a_request(books, canteen, now):
    late(canteen.activity, ActivityDeadline.Late.REQUEST, "cancel")
    BookingFactory(enrolment=books.enrolment, day=TOMORROW)
    reservation = give_up(books, canteen, TOMORROW, at=now)
    assert (outcomes(reservation), reservation.lines.get().late) == ([Outcome.REQUESTED], True)
    assert states(books, TOMORROW) == [BookingState.CANCEL_REQUESTED]


def test_a_day_gone_by_is_not_cancelled(books, canteen, now):
    friday = date(2026, 11, 6)
    BookingFactory(enrolment=books.enrolment, day=friday)
    assert reasons(give_up(books, canteen, friday, at=now)) == ["Ce jour est passé."]


def test_there_must_be_something_to_cancel(books, canteen, now):
    assert reasons(give_up(books, canteen, MONDAY, at=now)) == [
        "Il n'y a pas de réservation à annuler ce jour-là."
    ]


@pytest.mark.parametrize("state", [BookingState.REQUESTED, BookingState.WAITLISTED])
def test_what_is_not_granted_is_withdrawn_at_any_time(books, canteen, now, state):
    Activity.objects.update(cancel_processing=Activity.Processing.ON_REQUEST)
    BookingFactory(enrolment=books.enrolment, day=TOMORROW, state=state)
    reservation = give_up(books, canteen, TOMORROW, at=now)
    assert outcomes(reservation) == [Outcome.ACCEPTED]
    assert states(books, TOMORROW) == [BookingState.CANCELLED]
    assert Place.objects.count() == 0


def test_a_whole_day_becomes_a_morning_in_one_reservation(books, waits, wednesdays, plays, now):
    Slot.objects.filter(day=WEDNESDAY).update(capacity=1)
    who = plays(books)
    reserve(who, wednesdays, WEDNESDAY, at=now)
    ready = draft(
        who,
        wednesdays,
        at=now,
        book=[Choice(wednesdays.morning.pk, WEDNESDAY)],
        cancel=[Choice(wednesdays.whole.pk, WEDNESDAY)],
    )
    reservation = booking.submit(ready, by=who.user, at=now)
    assert (outcomes(reservation), reservation.state) == ([Outcome.ACCEPTED] * 2, ReservationState.ACCEPTED)
    assert {part: slot.taken for part, slot in wednesdays.slots(WEDNESDAY).items()} == {
        "morning": 1,
        "noon": 0,
        "afternoon": 0,
    }


def test_a_change_of_mind_does_not_feed_the_waiting_list_twice(books, waits, wednesdays, plays, now):
    """The morning stays with who changes the formula; the afternoon goes to who waits for it."""
    Slot.objects.filter(day=WEDNESDAY).update(capacity=1)
    who, second = plays(books), plays(waits)
    reserve(who, wednesdays, WEDNESDAY, at=now)
    waiting = choices(wednesdays, [WEDNESDAY], [wednesdays.morning, wednesdays.afternoon])
    booking.submit(draft(second, wednesdays, at=now, wait=waiting), by=second.user, at=now)
    ready = draft(
        who,
        wednesdays,
        at=now,
        book=[Choice(wednesdays.morning.pk, WEDNESDAY)],
        cancel=[Choice(wednesdays.whole.pk, WEDNESDAY)],
    )
    booking.submit(ready, by=who.user, at=now)
    found = Booking.objects.filter(child=second.child).values_list("formula__code", "state")
    assert dict(found) == {"matinee": "waitlisted", "apres-midi": "accepted"}


# Two households, two establishments -----------------------------------------------------------------------


@pytest.fixture
def other_home(books, canteen, year) -> Family:
    """The other household of the child of `books`, enrolled too."""
    home = family("roux-bis", "Roux", "Personne")
    Custody.objects.filter(household=home.household).update(child=books.child)
    enrolment = EnrolmentFactory(
        household=home.household,
        child=books.child,
        activity=canteen.activity,
        establishment=canteen.restaurant,
        school_year=year,
    )
    return Family(home.household, home.guardian, home.user, books.child, enrolment)


def test_the_other_home_does_not_book_the_same_day_again(books, other_home, canteen, now):
    reserve(books, canteen, MONDAY, at=now)
    reservation = reserve(other_home, canteen, MONDAY, TUESDAY, at=now)
    assert outcomes(reservation) == [Outcome.REFUSED, Outcome.ACCEPTED]
    assert canteen.slot(MONDAY).taken == 1


def test_the_other_home_does_not_cancel(books, other_home, canteen, now):
    reserve(books, canteen, MONDAY, at=now)
    reservation = give_up(other_home, canteen, MONDAY, at=now)
    assert reasons(reservation) == ["Il n'y a pas de réservation à annuler ce jour-là."]
    assert states(books, MONDAY) == [BookingState.ACCEPTED]


def test_a_booking_at_the_former_restaurant_is_cancelled_from_the_new_one(books, canteen, now):
    elsewhere = EstablishmentFactory(name="Restaurant d'avant")
    BookingFactory(enrolment=books.enrolment, establishment=elsewhere, day=MONDAY)
    reservation = give_up(books, canteen, MONDAY, at=now)
    assert outcomes(reservation) == [Outcome.ACCEPTED]
    assert list(Slot.objects.filter(day=MONDAY).values_list("taken", flat=True)) == [0, 0]


def test_a_child_is_in_one_establishment_at_a_time(books, wednesdays, plays, now):
    who = plays(books)
    elsewhere = EstablishmentFactory(name="Autre centre", kind="centre")
    BookingFactory(
        enrolment=who.enrolment, establishment=elsewhere, formula=wednesdays.morning, day=WEDNESDAY
    )
    reservation = reserve(who, wednesdays, WEDNESDAY, at=now)
    assert reasons(reservation) == ["Cet enfant a déjà une réservation sur cette partie de la journée."]


# Cost -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("days", [1, 25])
def test_recording_costs_the_same_for_a_day_and_for_a_term(
    books, canteen, now, days, django_assert_max_num_queries
):
    open_days = sorted(Slot.objects.filter(day__gt=HOLIDAY).values_list("day", flat=True))[:days]
    ready = draft(books, canteen, at=now, book=choices(canteen, open_days))
    demanding_papers()  # kept by every process for half a minute,
    asked_texts()  # and so are these
    arrears.in_use()
    with django_assert_max_num_queries(20):
        reservation = booking.submit(ready, by=books.user, at=now)
    assert outcomes(reservation) == [Outcome.ACCEPTED] * days
    assert FRIDAY in open_days or days == 1
