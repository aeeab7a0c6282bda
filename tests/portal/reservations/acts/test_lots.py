"""Days of many children at once, by the rules of every act of the desk, and the way back."""

from datetime import date

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext

from billing.payments import closing
from families.models import Guardian
from portal.reservations.acts import booking, lots
from portal.reservations.acts.overriding import Overrides
from portal.reservations.acts.refusals import BookingRefused
from portal.reservations.models import Attendance, Booking, BookingEvent, Closure, Lot, LotDay, Reservation
from portal.reservations.states import Became, LotVerb, Override
from tests.conftest import brother_of
from tests.portal.reservations.audit import FRIDAY, MONDAY, THURSDAY, audit, reserve, states

TUESDAY = date(2026, 11, 10)  # tomorrow: too late since Sunday
LAST_THURSDAY = date(2026, 11, 5)
WHY = "Sortie de la classe."


@pytest.fixture
def lot(agent, canteen, now):
    """A lot of these families' children, done to the end, a batch at a time."""

    def do(verb, *days, whose, to_day=None, by=agent, tell=True, late=False, passing_over=(), waits=False):
        planned = lots.plan([one.enrolment for one in whose], verb, canteen.formula, days, to_day=to_day)
        overrides = Overrides(dict.fromkeys(passing_over, WHY), late=late)
        before = Booking.objects.count()
        lots.foresee(planned, by=by, at=now, overrides=overrides, waits=waits)
        assert Booking.objects.count() == before, "only reads"
        foreseen = [(one.became, one.why) for one in planned.wishes]
        given = {"overrides": overrides, "waits": waits, "tell": tell, "by": by, "at": now}
        made = lots.begin(planned, whom="tous", reason=WHY, **given)
        while lots.go_on(made.pk, at=now):
            pass
        audit()
        assert [(one.became, one.why) for one in made.days.all()] == foreseen, "as it was foreseen"
        made.refresh_from_db()
        assert made.done_at == now
        return made

    return do


@pytest.fixture
def take_back(agent, now):
    def do(made, *, by=agent, at=now):
        lots.ask_back(made, by=by, at=at)
        while lots.go_back(made.pk, at=at):
            pass
        audit()
        return [(one.taken_back, one.not_back) for one in made.days.all()]

    return do


def said(made):
    return [(one.enrolment.child.first_name, one.day, one.became, one.why) for one in made.days.all()]


def test_each_child_gets_what_a_family_would(lot, books, waits, canteen, shut, now):
    reserve(books, canteen, THURSDAY, at=now)
    shut(FRIDAY, 1)
    Closure.objects.create(establishment=canteen.restaurant, starts_on=MONDAY, ends_on=MONDAY, why="strike")
    made = lot(LotVerb.BOOK, TUESDAY, MONDAY, THURSDAY, FRIDAY, whose=[books, waits])
    first, second = books.child.first_name, waits.child.first_name
    late = "Réservation close depuis le dimanche 8 novembre à 10\xa0h."
    assert said(made) == [
        (first, TUESDAY, "left", late),
        (first, MONDAY, "left", "Grève."),
        (first, THURSDAY, "already", "Déjà réservé."),
        (first, FRIDAY, "done", ""),
        (second, TUESDAY, "left", late),
        (second, MONDAY, "left", "Grève."),
        (second, THURSDAY, "done", ""),
        (second, FRIDAY, "left", "Complet."),
    ]
    made = Reservation.objects.filter(at_desk=True)
    assert [(one.household_id, one.state, one.desk_reason) for one in made.order_by("pk")] == [
        (books.household.pk, "accepted", WHY),
        (waits.household.pk, "accepted", WHY),
    ]


def test_one_letter_a_household_or_none(lot, books, waits, mailoutbox, django_capture_on_commit_callbacks):
    brother = brother_of(books, "Basile")
    with django_capture_on_commit_callbacks(execute=True):
        lot(LotVerb.BOOK, THURSDAY, whose=[books, waits])
    assert len(mailoutbox) == 2
    assert all("par la mairie" in one.body and WHY in one.body for one in mailoutbox)
    assert brother.pk not in LotDay.objects.values_list("enrolment", flat=True)
    mailoutbox.clear()
    with django_capture_on_commit_callbacks(execute=True):
        lot(LotVerb.CANCEL, THURSDAY, whose=[books, waits], tell=False)
    assert (states(books, THURSDAY), mailoutbox) == (["cancelled"], [])


def test_what_is_passed_over_is_said_and_counted(lot, books, waits, canteen, shut):
    shut(TUESDAY, 1)
    over = (Override.DEADLINE, Override.CAPACITY)
    lot(LotVerb.BOOK, TUESDAY, whose=[books, waits], passing_over=over, late=True)
    assert states(books, TUESDAY) == states(waits, TUESDAY) == ["accepted"]
    assert [one.late for one in Booking.objects.all()] == [True, True]
    events = BookingEvent.objects.order_by("pk").values_list("reason", "reservation__desk_reason")
    assert list(events) == [(f"Délai : {WHY}", f"Délai : {WHY}"), (f"Délai, Places : {WHY}",) * 2]
    slot = canteen.slot(TUESDAY)
    assert (slot.taken, slot.forced) == (2, 1)


def test_a_right_is_needed_for_what_is_passed_over(lot, agent, books):
    right = Permission.objects.get(codename="override_deadline_booking")
    agent.groups.get().permissions.remove(right)
    made = lot(LotVerb.BOOK, TUESDAY, whose=[books], passing_over=[Override.DEADLINE])
    assert said(made)[0][2:] == ("left", "Vous n'avez pas le droit de passer outre ici : délai.")


def test_nobody_acts_for_the_own_home(lot, agent, chief, books, waits):
    Guardian.objects.create(household=books.household, user=agent, first_name="Dominique", last_name="Agent")
    made = lot(LotVerb.BOOK, THURSDAY, whose=[books, waits])
    assert [one.became for one in made.days.all()] == [Became.LEFT, Became.DONE]
    assert "votre propre foyer" in made.days.first().why


def test_a_day_moves_whole_or_not_at_all(lot, take_back, books, waits, canteen, shut, now):
    for who in (books, waits):
        reserve(who, canteen, THURSDAY, at=now)
    shut(FRIDAY, 1)
    made = lot(LotVerb.MOVE, THURSDAY, to_day=FRIDAY, whose=[books, waits])
    assert states(books, THURSDAY, FRIDAY) == ["cancelled", "accepted"]
    assert states(waits, THURSDAY, FRIDAY) == ["accepted", None]
    assert said(made)[1][2:] == ("left", "Complet.")
    assert take_back(made) == [("done", ""), ("", "")]
    assert states(books, THURSDAY, FRIDAY) == ["accepted", "cancelled"]


def test_a_move_stays_where_the_first_day_is_full_by_now(lot, take_back, books, waits, canteen, shut, now):
    reserve(books, canteen, THURSDAY, at=now)
    made = lot(LotVerb.MOVE, THURSDAY, to_day=FRIDAY, whose=[books])
    reserve(waits, canteen, THURSDAY, at=now)
    shut(THURSDAY, 1)
    assert take_back(made) == [("left", "Il n'y a plus de place.")]
    assert states(books, THURSDAY, FRIDAY) == ["cancelled", "accepted"]


def test_who_finds_a_day_full_waits_for_it_where_the_agent_says_so(
    lot, take_back, books, waits, canteen, shut, mailoutbox, django_capture_on_commit_callbacks
):
    shut(FRIDAY, 1)
    with django_capture_on_commit_callbacks(execute=True):
        made = lot(LotVerb.BOOK, THURSDAY, FRIDAY, whose=[books, waits], waits=True)
    assert [one.became for one in made.days.all()] == ["done", "done", "done", "queued"]
    assert states(waits, THURSDAY, FRIDAY) == ["accepted", "waitlisted"]
    assert made.changed == 4 and any("liste d'attente" in one.body for one in mailoutbox)
    mailoutbox.clear()
    with django_capture_on_commit_callbacks(execute=True):
        assert {became for became, _ in take_back(made)} == {"done"}
    assert states(waits, THURSDAY, FRIDAY) == ["cancelled", "cancelled"]
    assert not [one for one in mailoutbox if "place" in one.subject.lower()], "nothing was offered on the way"


def test_nobody_waits_where_there_is_no_list_nor_for_a_day_gone_by_nor_to_move(
    lot, books, waits, canteen, shut, now
):
    canteen.activity.waiting_list = False
    canteen.activity.save()
    shut(FRIDAY, 0)
    assert said(lot(LotVerb.BOOK, FRIDAY, whose=[books], waits=True))[0][2:] == ("left", "Complet.")
    canteen.activity.waiting_list = True
    canteen.activity.save()
    shut(LAST_THURSDAY, 0)
    over = [Override.DEADLINE]
    gone = lot(LotVerb.BOOK, LAST_THURSDAY, whose=[books], waits=True, passing_over=over)
    assert said(gone)[0][2:] == ("left", "Complet.")
    reserve(books, canteen, THURSDAY, at=now)
    moved = lot(LotVerb.MOVE, THURSDAY, to_day=FRIDAY, whose=[books], waits=True)
    assert (said(moved)[0][2:], moved.waits) == (("left", "Complet."), False)


def test_what_was_booked_is_cancelled_and_what_was_cancelled_stands_again(
    lot, take_back, books, waits, canteen, now, mailoutbox, django_capture_on_commit_callbacks
):
    reserve(books, canteen, THURSDAY, at=now)
    made = lot(LotVerb.CANCEL, THURSDAY, FRIDAY, whose=[books, waits])
    assert [one.became for one in made.days.all()] == ["done", "already", "already", "already"]
    with django_capture_on_commit_callbacks(execute=True):
        assert take_back(made)[0] == ("done", "")
    assert states(books, THURSDAY) == ["accepted"]
    (letter,) = mailoutbox
    assert "Lot annulé par la mairie" in letter.body
    booked = lot(LotVerb.BOOK, FRIDAY, whose=[books, waits])
    booking.cancel(Booking.objects.filter(child=waits.child, day=FRIDAY), by=booked.by, at=now)
    assert take_back(booked) == [("done", ""), ("left", "Déjà annulé ou refusé depuis.")]
    assert states(books, FRIDAY) == ["cancelled"]
    with pytest.raises(BookingRefused, match="déjà été annulé"):
        lots.ask_back(booked, by=booked.by, at=now)


def test_days_gone_by_go_back_by_right_and_as_long_as_accounts_are_open(
    lot, take_back, agent, books, waits, canteen, now, regie
):
    over = [Override.DEADLINE]
    made = lot(LotVerb.BOOK, LAST_THURSDAY, TUESDAY, whose=[books, waits], passing_over=over)
    came = Booking.objects.get(child=waits.child, day=LAST_THURSDAY)
    where = {"formula": came.formula, "establishment": came.establishment, "day": came.day}
    Attendance.objects.create(
        booking=came, household=waits.household, child=waits.child, **where, entered_at=now
    )
    assert take_back(made) == [
        ("done", ""),
        ("done", ""),
        ("left", "L'enfant est pointé ce jour-là."),
        ("done", ""),
    ]


def test_closed_accounts_stay_closed(lot, take_back, books, now, chief):
    made = lot(LotVerb.BOOK, LAST_THURSDAY, whose=[books], passing_over=[Override.DEADLINE])
    closing.close(date(2026, 11, 6), by=chief, at=now)
    ((became, why),) = take_back(made)
    assert (became, "comptes sont clos" in why) == ("left", True)
    assert states(books, LAST_THURSDAY) == ["accepted"]


def test_a_lot_needs_a_reason_and_something_to_do(agent, books, canteen, now):
    planned = lots.plan([books.enrolment], LotVerb.BOOK, canteen.formula, [THURSDAY])
    given = {"whom": "tous", "overrides": Overrides(), "tell": False, "by": agent, "at": now}
    with pytest.raises(BookingRefused, match="motif"):
        lots.begin(planned, reason=" ", **given)
    nothing = lots.plan([], LotVerb.BOOK, canteen.formula, [THURSDAY])
    with pytest.raises(BookingRefused, match="rien à faire"):
        lots.begin(nothing, reason=WHY, **given)
    assert not Lot.objects.exists()


def test_ten_children_take_as_many_queries_as_one(agent, books, canteen, now):
    many = [books.enrolment, *(brother_of(books, f"Enfant{number}") for number in range(11))]

    def do(some, day):
        planned = lots.plan(some, LotVerb.BOOK, canteen.formula, [day])
        with CaptureQueriesContext(connection) as foreseeing:
            lots.foresee(planned, by=agent, at=now, overrides=Overrides())
        given = {"whom": "tous", "overrides": Overrides(), "tell": False, "by": agent, "at": now}
        made = lots.begin(planned, reason=WHY, **given)
        with CaptureQueriesContext(connection) as doing:
            assert not lots.go_on(made.pk, at=now)
        lots.ask_back(made, by=agent, at=now)
        with CaptureQueriesContext(connection) as back:
            assert not lots.go_back(made.pk, at=now)
        return [len(one) for one in (foreseeing, doing, back)]

    do(many[:1], MONDAY)  # rights are read once
    assert do(many[:1], THURSDAY) == do(many[1:], FRIDAY)
    assert states(books, THURSDAY) == ["cancelled"]


def test_a_large_lot_goes_batch_by_batch(agent, books, canteen, now, monkeypatch):
    monkeypatch.setattr(lots, "BATCH", 2)
    many = [books.enrolment, *(brother_of(books, f"Enfant{number}") for number in range(4))]
    planned = lots.plan(many, LotVerb.BOOK, canteen.formula, [THURSDAY, FRIDAY])
    given = {"whom": "tous", "overrides": Overrides(), "tell": False, "by": agent, "at": now}
    made = lots.begin(planned, reason=WHY, **given)
    assert not lots.is_small(made)
    assert lots.go_on(made.pk, at=now)
    assert LotDay.objects.filter(became=Became.DONE).count() == 4
    with pytest.raises(BookingRefused, match="pas encore terminé"):
        lots.ask_back(made, by=agent, at=now)
    lots.carry_out.func(made.pk)
    assert LotDay.objects.filter(became=Became.DONE).count() == Booking.objects.live().count() == 10
    lots.carry_out.func(made.pk)
    assert Booking.objects.count() == 10, "done again, nothing more is done"
    audit()
