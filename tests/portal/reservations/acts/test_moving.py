"""A child changes school, class or place: its days follow from that day on, or wait for a decision."""

from datetime import date, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given, settings
from hypothesis import strategies as st

from catering import kitchen
from families.custody.own import OwnHousehold
from families.models import Custody
from portal.reservations.acts import booking, ending, enrolling, moving
from portal.reservations.acts.enrolling import EnrolmentRefused
from portal.reservations.acts.moving import Change
from portal.reservations.models import (
    Activity,
    AttendanceState,
    Booking,
    Closure,
    Enrolment,
    LeftDay,
    Move,
    Reservation,
    ReservationLine,
    Schooling,
    Slot,
)
from portal.reservations.presence import attendance
from portal.reservations.states import Action, BookingState, LeftState, MoveState, Outcome
from tests.conftest import FRIDAY, THURSDAY, Family, enrolled, on_the_database
from tests.factories import EstablishmentFactory, FormulaFactory, SchoolClassFactory, paris
from tests.portal.reservations.audit import give_up, outcomes, reserve

pytestmark = pytest.mark.usefixtures("books_kept")
MONDAY = date(2026, 11, 30)
TUESDAY = date(2026, 12, 1)
ASKED = BookingState.REQUESTED


@pytest.fixture
def automatic(canteen) -> None:
    Activity.objects.update(enrolment_processing=Activity.Processing.AUTOMATIC)


@pytest.fixture
def moves(books, mill, agent, now):
    """The desk lets Lina change school, or another child, from a day on."""

    def do(since: date, *, child=None, school_class=mill.school_class, place=None) -> list[Move]:
        change = Change(since, school_class, place)
        return moving.carry_out(child or books.child, change, by=agent, at=now)

    return do


def stands(who: Family) -> dict[date, tuple[str, str]]:
    """Of each day, where its live booking is and in which state."""
    rows = Booking.objects.live().filter(child=who.child)
    return {
        day: (place, state) for day, place, state in rows.values_list("day", "establishment__code", "state")
    }


def cooks(restaurant, *days: date) -> int:
    return kitchen.expected(restaurant, list(days)).total()


# At the desk ------------------------------------------------------------------------------------------


def test_the_old_kitchen_cooks_until_the_day_and_the_new_one_from_it_on(books, canteen, mill, moves, now):
    reserve(books, canteen, THURSDAY, FRIDAY, MONDAY, at=now)
    (move,) = moves(FRIDAY)
    assert [cooks(canteen.restaurant, day) for day in (THURSDAY, FRIDAY, MONDAY)] == [1, 0, 0]
    assert [cooks(mill.restaurant, day) for day in (THURSDAY, FRIDAY, MONDAY)] == [0, 1, 1]
    assert (move.state, move.followed, move.left_place, move.since) == (
        MoveState.ACCEPTED,
        2,
        canteen.restaurant,
        FRIDAY,
    )
    classes = Schooling.objects.filter(child=books.child).order_by("pk")
    assert list(classes.values_list("school_class__school__name", "ends_on")) == [
        ("École des Tilleuls", THURSDAY),
        ("École du Moulin-Vert", None),
    ]
    counts = kitchen.expected(mill.restaurant, [FRIDAY])
    assert [str(group) for group in counts.groups] == ["CE1, École du Moulin-Vert"]


def test_what_is_full_there_is_left_for_a_decision_and_the_family_reads_both_in_one_mail(
    books, waits, canteen, mill, moves, now, mailoutbox, django_capture_on_commit_callbacks
):
    Slot.objects.filter(pk=mill.slot(FRIDAY).pk).update(capacity=0)
    reserve(books, canteen, THURSDAY, FRIDAY, at=now)
    with django_capture_on_commit_callbacks(execute=True):
        (move,) = moves(THURSDAY)
    (left,) = LeftDay.objects.all()
    assert (left.move, left.booking.day, left.why, left.state) == (move, FRIDAY, "complet", LeftState.OPEN)
    assert moving.days_left([left]) == "1 jour n’a pas pu suivre : complet le vendredi 27 novembre"
    assert [cooks(place, FRIDAY) for place in (canteen.restaurant, mill.restaurant)] == [0, 0]
    (letter,) = mailoutbox
    assert letter.subject == "Changement d'école ou de lieu : Lina"
    assert (
        "Jours qui suivent – Restauration scolaire, Repas (Restaurant de la Grange) (1 jour)" in letter.body
    )
    assert "N'a pas pu suivre : Restauration scolaire, Repas – complet (1 jour)" in letter.body
    assert "vendredi 27" in letter.body


def test_a_late_deadline_does_not_hold_a_move_of_the_town_hall_back(books, canteen, mill, moves, now):
    tomorrow = now.date() + timedelta(days=1)
    reserve(books, canteen, tomorrow, at=now - timedelta(days=6))
    moves(now.date())
    assert stands(books) == {tomorrow: ("la-grange", BookingState.ACCEPTED)}


def test_a_day_that_is_entered_stays_where_it_was(books, canteen, mill, moves, now, agent):
    reserve(books, canteen, now.date(), at=now - timedelta(days=6))
    held = Booking.objects.get()
    said = {held.pk: attendance.Said(AttendanceState.PRESENT)}
    attendance.record(canteen.restaurant, canteen.formula, now.date(), said=said, by=agent, at=now)
    moves(now.date())
    assert stands(books) == {now.date(): ("le-verger", BookingState.ACCEPTED)}


def test_new_days_are_booked_at_the_old_place_before_and_at_the_new_one_after(
    books, canteen, mill, moves, now
):
    moves(FRIDAY)
    old = reserve(books, canteen, THURSDAY, FRIDAY, at=now)
    assert outcomes(old) == [Outcome.ACCEPTED, Outcome.REFUSED]
    refused = old.lines.get(day=FRIDAY)
    assert refused.reason == "Lina va ailleurs : Restaurant de la Grange."
    canteen.restaurant = mill.restaurant
    new = reserve(books, canteen, THURSDAY, FRIDAY, at=now)
    assert outcomes(new) == [Outcome.REFUSED, Outcome.ACCEPTED]
    enrolling.settle(at=paris(2026, 11, 27, 3))
    enrolment = Enrolment.objects.get(pk=books.enrolment.pk)
    assert (enrolment.establishment, enrolment.moves_to, enrolment.moves_on) == (mill.restaurant, None, None)


def test_a_day_left_beyond_an_end_said_since_waits_for_nobody(books, canteen, mill, moves, now, agent):
    Slot.objects.filter(establishment=mill.restaurant).update(capacity=0)
    reserve(books, canteen, THURSDAY, FRIDAY, at=now)
    (move,) = moves(THURSDAY)
    ending.end(books.enrolment, ending.Ending(THURSDAY, "Déménagement."), by=agent, at=now)
    Slot.objects.update(capacity=None)
    moving.place_days(move, wait=False, by=agent, at=now)
    assert stands(books) == {THURSDAY: ("la-grange", BookingState.ACCEPTED)}
    assert not LeftDay.objects.to_decide(now.date()).exists()


def test_a_day_left_of_a_home_that_the_child_leaves_waits_for_nobody(books, canteen, mill, moves, now):
    Slot.objects.filter(establishment=mill.restaurant).update(capacity=0)
    reserve(books, canteen, THURSDAY, FRIDAY, at=now)
    moves(THURSDAY)
    Custody.objects.filter(child=books.child).update(until=FRIDAY)
    assert [one.booking.day for one in LeftDay.objects.to_decide(now.date())] == [THURSDAY]


@pytest.mark.parametrize("what", ["formula", "place", "activity", "place of the activity"])
def test_a_day_left_is_placed_nowhere_that_is_no_longer_offered(
    books, canteen, mill, moves, now, agent, what
):
    Slot.objects.filter(establishment=mill.restaurant).update(capacity=0)
    reserve(books, canteen, THURSDAY, at=now)
    (move,) = moves(THURSDAY)
    Slot.objects.update(capacity=None)
    {
        "formula": lambda: type(canteen.formula).objects.update(active=False),
        "place": lambda: type(mill.restaurant).objects.filter(code="la-grange").update(active=False),
        "activity": lambda: Activity.objects.update(active=False),
        "place of the activity": lambda: canteen.activity.establishments.remove(mill.restaurant),
    }[what]()
    assert moving.place_days(move, wait=True, by=agent, at=now) == [] and stands(books) == {}


def test_what_a_family_says_of_an_enrolment_while_it_moves_is_kept(books, mill, moves):
    """The desk's page has read the enrolment; the family changes its weekdays; then the move is written."""
    read = Enrolment.objects.get(pk=books.enrolment.pk)
    Enrolment.objects.filter(pk=books.enrolment.pk).update(weekdays=0b11)
    enrolling.go_to(read, mill.restaurant, since=FRIDAY, today=FRIDAY)
    read.refresh_from_db()
    assert (read.weekdays, read.establishment) == (0b11, mill.restaurant)


@pytest.mark.parametrize("by_family", [False, True])
def test_a_class_that_was_to_begin_later_begins_on_the_day_told_since(
    books, canteen, mill, automatic, moves, now, by_family
):
    reserve(books, canteen, THURSDAY, FRIDAY, MONDAY, at=now)
    moves(MONDAY)
    if by_family:
        asked = {"establishment": mill.restaurant, "school_class": mill.school_class, "since": FRIDAY}
        moving.ask(books.enrolment, **asked, by=books.user, at=now)
    else:
        moves(FRIDAY)
    rows = Schooling.objects.filter(child=books.child).order_by("pk")
    assert list(rows.values_list("starts_on", "ends_on")) == [(None, THURSDAY), (FRIDAY, None)]
    assert [place for place, _ in stands(books).values()] == ["le-verger", "la-grange", "la-grange"]


def test_a_family_that_enrols_again_moves_no_class_that_is_due(books, mill, moves, now):
    moves(MONDAY)
    moving.tell_class(books.child, mill.school_class, today=now.date())
    rows = Schooling.objects.filter(child=books.child).order_by("pk")
    assert list(rows.values_list("starts_on", flat=True)) == [None, MONDAY]


def test_those_who_wait_at_the_old_place_get_what_is_freed(books, waits, canteen, shut, mill, moves, now):
    shut(FRIDAY, 1)
    reserve(books, canteen, FRIDAY, at=now)
    reserve(waits, canteen, FRIDAY, at=now, wait=True)
    moves(FRIDAY)
    assert stands(waits) == {FRIDAY: ("le-verger", BookingState.ACCEPTED)}


def test_a_waiting_day_goes_to_the_end_of_the_new_list(
    books, waits, another, canteen, shut, mill, moves, now, agent
):
    shut(FRIDAY, 0)
    Slot.objects.filter(pk=mill.slot(FRIDAY).pk).update(capacity=0)
    reserve(books, canteen, FRIDAY, at=now - timedelta(days=1), wait=True)
    moves(FRIDAY, child=waits.child)
    moved = Family(waits.household, waits.guardian, waits.user, waits.child, waits.enrolment)
    moved.enrolment.refresh_from_db()
    canteen.restaurant = mill.restaurant
    reserve(moved, canteen, FRIDAY, at=now, wait=True)
    moves(FRIDAY)
    waiting = Booking.objects.waiting().filter(establishment=mill.restaurant)
    assert [one.child for one in waiting] == [waits.child, books.child]


def test_without_a_waiting_list_there_a_waiting_day_is_left(books, canteen, shut, mill, moves, now):
    shut(FRIDAY, 0)
    reserve(books, canteen, FRIDAY, at=now, wait=True)
    Activity.objects.update(waiting_list=False)
    moves(FRIDAY)
    assert LeftDay.objects.get().why == "complet, sans liste d'attente,"


def test_where_there_is_room_a_waiting_day_gets_its_place(books, canteen, shut, mill, moves, now):
    shut(FRIDAY, 0)
    reserve(books, canteen, FRIDAY, at=now, wait=True)
    moves(FRIDAY)
    assert stands(books) == {FRIDAY: ("la-grange", BookingState.ACCEPTED)}


def test_a_waiting_day_that_gets_its_place_by_moving_is_told_in_the_mail_of_the_move_alone(
    books, canteen, shut, mill, moves, now, mailoutbox, django_capture_on_commit_callbacks
):
    shut(FRIDAY, 0)
    reserve(books, canteen, FRIDAY, at=now, wait=True)
    with django_capture_on_commit_callbacks(execute=True):
        moves(FRIDAY)
    (letter,) = mailoutbox
    assert letter.subject == "Changement d'école ou de lieu : Lina"
    assert (
        "Jours qui suivent – Restauration scolaire, Repas (Restaurant de la Grange) (1 jour)" in letter.body
    )


def test_others_who_get_a_place_by_a_move_read_so_as_ever(
    books, waits, canteen, shut, mill, moves, now, mailoutbox, django_capture_on_commit_callbacks
):
    shut(FRIDAY, 1)
    reserve(books, canteen, FRIDAY, at=now)
    reserve(waits, canteen, FRIDAY, at=now, wait=True)
    with django_capture_on_commit_callbacks(execute=True):
        moves(FRIDAY)
    assert {one.to[0] for one in mailoutbox} == {books.user.email, waits.user.email}
    assert len(mailoutbox) == 2


def test_a_place_offered_at_the_new_place_is_said_by_the_move_and_answered_by_its_own_mail(
    books, canteen, shut, mill, moves, now, mailoutbox, django_capture_on_commit_callbacks
):
    Activity.objects.update(offer_hours=6)
    shut(FRIDAY, 0)
    reserve(books, canteen, FRIDAY, at=now, wait=True)
    with django_capture_on_commit_callbacks(execute=True):
        moves(FRIDAY)
    assert stands(books) == {FRIDAY: ("la-grange", BookingState.OFFERED)}
    said = {letter.subject: letter.body for letter in mailoutbox}
    assert len(said) == 2
    assert "Place proposée au nouveau lieu, en attente de votre réponse" in next(
        body for subject, body in said.items() if subject.startswith("Changement")
    )
    assert not any("Jours annulés depuis" in body for body in said.values())


def test_what_is_asked_stays_asked_at_the_new_place(books, canteen, mill, moves, now, agent):
    Activity.objects.update(processing="on_request")
    reserve(books, canteen, FRIDAY, at=now)
    moves(FRIDAY)
    assert stands(books) == {FRIDAY: ("la-grange", ASKED)}
    booking.accept(ReservationLine.objects.filter(outcome=Outcome.REQUESTED), by=agent, at=now)
    assert cooks(mill.restaurant, FRIDAY) == 1


def test_a_cancellation_that_waits_goes_on_waiting_there(books, canteen, mill, moves, now, agent):
    Activity.objects.update(cancel_processing="on_request")
    reserve(books, canteen, FRIDAY, at=now)
    give_up(books, canteen, FRIDAY, at=now)
    moves(FRIDAY)
    assert stands(books) == {FRIDAY: ("la-grange", BookingState.CANCEL_REQUESTED)}
    (line,) = ReservationLine.objects.filter(action=Action.CANCEL, outcome=Outcome.REQUESTED)
    assert line.reservation.establishment == mill.restaurant
    booking.accept([line], by=agent, at=now)
    assert stands(books) == {}


def test_a_cancellation_of_what_cannot_follow_is_granted(books, canteen, mill, moves, now):
    Activity.objects.update(cancel_processing="on_request")
    Slot.objects.filter(pk=mill.slot(FRIDAY).pk).update(capacity=0)
    reserve(books, canteen, FRIDAY, at=now)
    asked = give_up(books, canteen, FRIDAY, at=now)
    moves(FRIDAY)
    assert outcomes(asked) == [Outcome.ACCEPTED]
    assert not LeftDay.objects.exists()


@pytest.mark.parametrize("there", [True, False])
def test_both_halves_of_a_change_follow_or_what_is_booked_goes_alone(
    books, canteen, mill, moves, now, agent, there
):
    picnic = FormulaFactory(activity=canteen.activity, code="pique-nique", name="Pique-nique", order=1)
    reserve(books, canteen, FRIDAY, at=now)
    Activity.objects.update(processing="on_request")
    booking.change(Booking.objects.get(), picnic, by=books.user, at=now)
    if not there:
        Slot.objects.create(
            activity=canteen.activity,
            establishment=mill.restaurant,
            day=FRIDAY,
            part="noon",
            formula=picnic,
            closed=True,
        )
        picnic.name, picnic.parts = "Pique-nique", ["noon", "evening"]
        picnic.save()
    moves(FRIDAY)
    live = dict(Booking.objects.live().values_list("formula__code", "state"))
    if there:
        assert live == {"repas": BookingState.CANCEL_REQUESTED, "pique-nique": BookingState.REQUESTED}
        lines = ReservationLine.objects.filter(outcome=Outcome.REQUESTED)
        assert {line.reservation.establishment for line in lines} == {mill.restaurant}
        assert lines.values("reservation").distinct().count() == 1
        booking.accept(lines, by=agent, at=now)
        live = dict(Booking.objects.live().values_list("formula__code", "state"))
        assert live == {"pique-nique": BookingState.ACCEPTED}
    else:
        assert live == {"repas": BookingState.ACCEPTED}
    assert {one.establishment for one in Booking.objects.live()} == {mill.restaurant}


def test_a_formula_of_the_same_name_or_role_is_taken_where_the_own_one_is_not_offered(
    books, canteen, mill, moves, now
):
    Slot.objects.create(
        activity=canteen.activity,
        establishment=mill.restaurant,
        day=FRIDAY,
        part="noon",
        formula=canteen.formula,
        closed=True,
    )
    hot = FormulaFactory(activity=canteen.activity, code="plat-chaud", name="Plat chaud", order=1)
    reserve(books, canteen, FRIDAY, at=now)
    moves(FRIDAY)
    assert [one.formula for one in Booking.objects.live()] == [hot]


def test_the_day_on_which_the_new_class_is_away_is_left(books, canteen, mill, school, year, moves, now):
    away = SchoolClassFactory(school=school, school_year=year, name="CE2")
    Closure.objects.create(
        starts_on=FRIDAY, ends_on=FRIDAY, school_class=away, why="trip", label="Sortie à la ferme"
    )
    reserve(books, canteen, THURSDAY, FRIDAY, at=now)
    (move,) = moves(THURSDAY, school_class=away)
    assert stands(books) == {THURSDAY: ("le-verger", BookingState.ACCEPTED)}
    assert [one.why for one in move.left_days.all()] == ["fermé (Sortie à la ferme)"]


def test_another_class_of_the_same_school_changes_no_day(books, canteen, mill, school, year, moves, now):
    reserve(books, canteen, FRIDAY, at=now)
    before = Booking.objects.get()
    moves(THURSDAY, school_class=SchoolClassFactory(school=school, school_year=year, name="CE2"))
    assert Booking.objects.get() == before
    assert Booking.objects.get().state == BookingState.ACCEPTED


def test_both_homes_of_a_child_follow_and_each_reads_of_its_own_days(
    books, stranger, canteen, mill, year, moves, now, mailoutbox, django_capture_on_commit_callbacks
):
    Custody.objects.create(child=books.child, household=stranger.household)
    other = enrolled(
        Family(stranger.household, stranger.guardian, stranger.user, books.child), canteen, year
    ).enrolment
    second = Family(stranger.household, stranger.guardian, stranger.user, books.child, other)
    reserve(books, canteen, THURSDAY, at=now)
    reserve(second, canteen, FRIDAY, at=now)
    with django_capture_on_commit_callbacks(execute=True):
        moves(THURSDAY)
    assert cooks(mill.restaurant, THURSDAY, FRIDAY) == 2
    assert {one.household: one.followed for one in Move.objects.all()} == {
        books.household: 1,
        stranger.household: 1,
    }
    letters = {letter.to[0]: letter.body for letter in mailoutbox}
    assert "jeudi 26" in letters["roux@example.org"]
    assert "vendredi 27" not in letters["roux@example.org"]
    assert "vendredi 27" in letters["morel@example.org"]


def test_an_agent_does_not_move_the_own_child(books, moves, agent):
    books.guardian.user = agent
    books.guardian.save()
    with pytest.raises(OwnHousehold):
        moves(FRIDAY)


def test_where_several_places_take_the_new_school_one_is_chosen(books, canteen, mill, moves, now):
    barn = EstablishmentFactory(name="Restaurant de l'Étang", serves=[mill.school])
    canteen.activity.establishments.add(barn)
    with pytest.raises(EnrolmentRefused, match="choisissez le nouvel établissement"):
        moves(FRIDAY)
    assert Schooling.objects.get(child=books.child).school_class != mill.school_class
    moves(FRIDAY, place=mill.restaurant)
    assert Enrolment.objects.get(pk=books.enrolment.pk).moves_to == mill.restaurant


def test_a_second_move_before_the_first_one_replaces_it_and_one_after_it_is_refused(
    books, canteen, mill, school_class, moves, now
):
    reserve(books, canteen, FRIDAY, MONDAY, at=now)
    moves(FRIDAY)
    with pytest.raises(EnrolmentRefused, match="Lina change déjà d'établissement le vendredi 27 novembre"):
        moves(MONDAY, school_class=school_class)
    moves(THURSDAY, school_class=school_class)
    assert {place for place, _ in stands(books).values()} == {"le-verger"}
    assert Enrolment.objects.get(pk=books.enrolment.pk).moves_on is None


# Days that are left -----------------------------------------------------------------------------------


@pytest.fixture
def left(books, waits, canteen, mill, moves, now) -> Move:
    """Lina's Friday, for which the new restaurant has no place."""
    Slot.objects.filter(pk=mill.slot(FRIDAY).pk).update(capacity=0)
    reserve(books, canteen, FRIDAY, at=now)
    (move,) = moves(FRIDAY)
    return move


def test_the_desk_places_a_day_once_there_is_room(
    left, books, mill, agent, now, mailoutbox, django_capture_on_commit_callbacks
):
    assert moving.place_days(left, wait=False, by=agent, at=now) == []
    Slot.objects.filter(pk=mill.slot(FRIDAY).pk).update(capacity=1)
    with django_capture_on_commit_callbacks(execute=True):
        (day,) = moving.place_days(left, wait=False, by=agent, at=now)
    assert (day.state, day.decided_by) == (LeftState.PLACED, agent)
    assert stands(books) == {FRIDAY: ("la-grange", BookingState.ACCEPTED)}
    (letter,) = mailoutbox
    assert letter.subject == "Jours de Lina : la mairie a décidé"
    assert "Jours qui suivent – Restauration scolaire, Repas (Restaurant de la Grange)" in letter.body


def test_or_puts_it_on_the_waiting_list(left, books, agent, now):
    moving.place_days(left, wait=True, by=agent, at=now)
    assert stands(books) == {FRIDAY: ("la-grange", BookingState.WAITLISTED)}
    assert LeftDay.objects.get().state == LeftState.WAITING


def test_or_leaves_it_cancelled_and_says_why(
    left, books, agent, now, mailoutbox, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True):
        moving.drop_days(left, reason="Le restaurant est plein.", by=agent, at=now)
    assert stands(books) == {}
    assert LeftDay.objects.get().state == LeftState.DROPPED
    assert "Le restaurant est plein." in mailoutbox[0].body


def test_a_day_the_family_booked_anew_is_no_longer_to_decide(left, books, canteen, mill, now):
    assert LeftDay.objects.to_decide(now.date()).count() == 1
    Slot.objects.filter(pk=mill.slot(FRIDAY).pk).update(capacity=1)
    canteen.restaurant = mill.restaurant
    reserve(books, canteen, FRIDAY, at=now)
    assert LeftDay.objects.to_decide(now.date()).count() == 0
    assert not Move.objects.with_days_left(now.date()).exists()


# Asked by the family ----------------------------------------------------------------------------------


def ask(who: Family, mill, now, *, since: date | None = FRIDAY) -> Move | None:
    return moving.ask(
        who.enrolment,
        establishment=mill.restaurant,
        school_class=mill.school_class,
        since=since,
        by=who.user,
        at=now,
    )


def test_until_the_town_hall_has_answered_days_stand_and_can_be_cancelled(
    books, canteen, mill, agent, now, mailoutbox, django_capture_on_commit_callbacks
):
    reserve(books, canteen, FRIDAY, MONDAY, at=now)
    with django_capture_on_commit_callbacks(execute=True):
        move = ask(books, mill, now)
    assert move is not None
    assert "la mairie doit y répondre" in moving.said(move)
    assert "La mairie doit y répondre" in mailoutbox[0].body
    assert cooks(canteen.restaurant, FRIDAY, MONDAY) == 2
    assert Enrolment.objects.get(pk=books.enrolment.pk).is_accepted
    give_up(books, canteen, FRIDAY, at=now)
    assert moving.accept(move, by=agent, at=now)
    assert stands(books) == {MONDAY: ("la-grange", BookingState.ACCEPTED)}
    assert moving.accept(move, by=agent, at=now) is False


def test_accepted_late_it_holds_from_today_and_the_class_from_its_day(books, canteen, mill, agent, now):
    reserve(books, canteen, THURSDAY, FRIDAY, at=now)
    move = ask(books, mill, now, since=THURSDAY)
    moving.accept(move, by=agent, at=paris(2026, 11, 27, 9))
    assert stands(books) == {
        THURSDAY: ("le-verger", BookingState.ACCEPTED),
        FRIDAY: ("la-grange", BookingState.ACCEPTED),
    }
    assert Schooling.objects.current().get(child=books.child).starts_on == THURSDAY


def test_refused_everything_stays_and_the_family_reads_why(
    books, canteen, mill, agent, now, mailoutbox, django_capture_on_commit_callbacks
):
    reserve(books, canteen, FRIDAY, at=now)
    move = ask(books, mill, now)
    with pytest.raises(EnrolmentRefused, match="motif"):
        moving.refuse(move, reason=" ", by=agent, at=now)
    with django_capture_on_commit_callbacks(execute=True):
        moving.refuse(move, reason="Pas de place à la Grange.", by=agent, at=now)
    assert stands(books) == {FRIDAY: ("le-verger", BookingState.ACCEPTED)}
    letter = mailoutbox[-1]
    assert letter.subject == "Changement refusé : Lina"
    assert "Pas de place à la Grange." in letter.body


def test_asked_again_the_last_wish_counts_and_it_can_be_withdrawn(books, mill, now):
    first, second = ask(books, mill, now), ask(books, mill, now, since=MONDAY)
    assert moving.asked_for(books.enrolment) == second
    first.refresh_from_db()
    assert first.state == MoveState.WITHDRAWN
    assert moving.withdraw(second, at=now)
    assert moving.asked_for(books.enrolment) is None


def test_where_nothing_is_asked_it_is_done_at_once_from_the_first_day_in_time(
    books, canteen, mill, automatic, now
):
    """Tuesday and Wednesday are ordered already: the old kitchen cooks them, and the family reads so."""
    tomorrow = now.date() + timedelta(days=1)
    reserve(books, canteen, tomorrow, date(2026, 11, 12), FRIDAY, at=now - timedelta(days=6))
    move = ask(books, mill, now, since=None)
    assert move.since == date(2026, 11, 11)
    assert {day: place for day, (place, _) in stands(books).items()} == {
        tomorrow: "le-verger",
        date(2026, 11, 12): "la-grange",
        FRIDAY: "la-grange",
    }
    assert moving.said(move) == (
        "Le changement de Lina est enregistré, à partir du mercredi 11 novembre ; 2 jours réservés suivent."
    )


def test_a_day_gone_by_cannot_be_asked_for_nor_one_of_another_year(books, mill, now):
    with pytest.raises(EnrolmentRefused, match="Indiquez un jour à venir"):
        ask(books, mill, now, since=date(2026, 11, 6))
    with pytest.raises(EnrolmentRefused, match="est finie ce jour-là"):
        ask(books, mill, now, since=date(2027, 8, 1))


def test_nothing_changes_where_nothing_was_changed(books, canteen, school_class, now):
    asked = moving.ask(
        books.enrolment,
        establishment=canteen.restaurant,
        school_class=school_class,
        since=None,
        by=books.user,
        at=now,
    )
    assert asked is None
    assert not Move.objects.exists()


def test_enrolling_in_another_home_does_not_change_the_school_by_the_way(books, stranger, canteen, mill, now):
    """Days are booked for the school known: a change of school is asked for, and they follow."""
    Custody.objects.create(child=books.child, household=stranger.household)
    with pytest.raises(EnrolmentRefused, match="Lina est à l'école « École des Tilleuls » cette année"):
        moving.tell_class(books.child, mill.school_class, today=now.date())
    Enrolment.objects.update(state="requested")
    moving.tell_class(books.child, mill.school_class, today=now.date())
    assert Schooling.objects.current().get(child=books.child).school_class == mill.school_class


def test_what_is_asked_of_an_enrolment_that_ended_waits_for_nobody(books, mill, agent, now):
    move = ask(books, mill, now)
    enrolling.end(Enrolment.objects.filter(pk=books.enrolment.pk), by=agent, at=now)
    assert not Move.objects.waiting().exists()
    with pytest.raises(EnrolmentRefused, match="terminée"):
        moving.accept(move, by=agent, at=now)


# Always -----------------------------------------------------------------------------------------------

ALL_DAYS = [date(2026, 11, 23) + timedelta(days=offset) for offset in (0, 1, 3, 4, 7, 8, 10, 11)]
some_days = st.lists(st.sampled_from(ALL_DAYS), min_size=1, max_size=6, unique=True)
steps = st.lists(st.tuples(st.integers(0, 15), st.booleans()), min_size=1, max_size=3)


@settings(on_the_database, max_examples=on_the_database.max_examples // 6)
@given(booked=some_days, full=some_days, steps=steps)
def test_the_old_kitchen_never_cooks_and_the_new_one_always_does(
    books, canteen, mill, school_class, agent, now, booked, full, steps
):
    """Whatever is booked, whatever is full, and however often a child moves: of each day one kitchen at most
    cooks, and it is that of the school attended that day; what is cooked nowhere is listed."""
    Move.objects.all().delete()
    Booking.objects.all().delete()
    Reservation.objects.all().delete()
    Schooling.objects.all().delete()
    Schooling.objects.create(
        child=books.child, school_class=school_class, school_year=school_class.school_year
    )
    Slot.objects.update(capacity=None, taken=0)
    Slot.objects.filter(establishment=mill.restaurant, day__in=full).update(capacity=0)
    Enrolment.objects.update(establishment=canteen.restaurant, moves_to=None, moves_on=None)
    books.enrolment.refresh_from_db()
    reserve(books, canteen, *booked, at=now)
    at = now
    for gap, back in steps:
        at += timedelta(minutes=1)
        since = date(2026, 11, 20) + timedelta(days=gap)
        change = Change(since, school_class if back else mill.school_class)
        try:
            moving.carry_out(books.child, change, by=agent, at=at)
        except EnrolmentRefused:
            continue
    attended = {
        day: Schooling.objects.filter(child=books.child, starts_on__lte=day).exclude(ends_on__lt=day).last()
        or Schooling.objects.filter(child=books.child, starts_on=None).get()
        for day in booked
    }
    listed = set(LeftDay.objects.to_decide(now.date()).values_list("booking__day", flat=True))
    old, new = (kitchen.expected(place, booked) for place in (canteen.restaurant, mill.restaurant))
    for day in booked:
        at_mill = attended[day].school_class == mill.school_class
        assert (old if at_mill else new).total(day=day) == 0
        assert (old.total(day=day) + new.total(day=day) == 1) != (day in listed)


@pytest.mark.parametrize("count", [1, 10])
def test_a_move_costs_the_same_whatever_it_takes_along(books, canteen, mill, moves, now, count):
    days = sorted({slot.day for slot in Slot.objects.filter(day__gte=FRIDAY)})
    reserve(books, canteen, *days[:count], at=now)
    with CaptureQueriesContext(connection) as counted:
        moves(FRIDAY)
    assert len(counted) <= 50
    assert Booking.objects.live().filter(establishment=mill.restaurant).count() == count
