"""The town hall may grant places in an order of its own, and see before what that does."""

from datetime import date

import pytest

from portal.reservations.acts import booking, reservation_drafts
from portal.reservations.acts.refusals import Choice
from portal.reservations.models import Activity, Booking, ReservationLine
from portal.reservations.states import BookingState, Outcome

DAY = date(2026, 11, 23)


@pytest.fixture
def asked(canteen, another, shut, now, books_kept):
    """Ana, Bo and Cleo ask, in that order, for the one place of a day; the lines, by family name."""
    Activity.objects.update(processing=Activity.Processing.ON_REQUEST)
    canteen.activity.refresh_from_db()
    lines = {}
    for name in ("Ana", "Bo", "Cleo"):
        who = another(name)
        draft = reservation_drafts.choose(
            who.enrolment,
            canteen.restaurant,
            canteen.period,
            book={Choice(canteen.formula.pk, DAY)},
            by=who.user,
            at=now,
        )
        lines[name] = booking.submit(draft, by=who.user, at=now).lines.get()
    shut(DAY, 1)
    return lines


def names(lines) -> list[str]:
    return [line.reservation.child.last_name for line in lines]


def test_places_go_in_the_order_given(asked, agent, now):
    order = [asked["Cleo"], asked["Ana"], asked["Bo"]]
    decision = booking.accept(order, by=agent, at=now, in_order=True)
    assert names(decision.accepted) == ["Cleo"]
    assert names(decision.waitlisted) == ["Ana", "Bo"]


def test_without_an_order_the_first_to_ask_is_served(asked, agent, now):
    decision = booking.accept([asked["Cleo"], asked["Ana"]], by=agent, at=now)
    assert names(decision.accepted) == ["Ana"]


def test_the_waiting_list_keeps_the_order_of_the_answers(asked, agent, now):
    booking.accept([asked["Cleo"], asked["Bo"], asked["Ana"]], by=agent, at=now, in_order=True)
    assert [one.child.last_name for one in Booking.objects.waiting()] == ["Bo", "Ana"]
    (cleo,) = Booking.objects.accepted()
    booking.cancel([cleo], by=agent, at=now)
    (served,) = Booking.objects.accepted()
    assert served.child.last_name == "Bo"


def test_what_is_foreseen_is_what_happens_and_nothing_is_written(
    asked, agent, now, django_assert_num_queries
):
    order = [asked["Bo"], asked["Cleo"], asked["Ana"]]
    with django_assert_num_queries(4):
        foreseen = booking.foresee_answer(order)
    assert set(Booking.objects.values_list("state", flat=True)) == {BookingState.REQUESTED}
    assert set(ReservationLine.objects.values_list("outcome", flat=True)) == {Outcome.REQUESTED}
    decision = booking.accept(order, by=agent, at=now, in_order=True)
    assert names(foreseen.accepted) == names(decision.accepted) == ["Bo"]
    assert names(foreseen.waitlisted) == names(decision.waitlisted) == ["Cleo", "Ana"]


def test_without_a_waiting_list_the_others_stay_asked(asked, agent, now):
    Activity.objects.update(waiting_list=False)
    order = [asked["Bo"], asked["Cleo"], asked["Ana"]]
    foreseen = booking.foresee_answer(order)
    decision = booking.accept(order, by=agent, at=now, in_order=True)
    assert names(foreseen.full) == names(decision.full) == ["Cleo", "Ana"]
    assert ReservationLine.objects.get(pk=asked["Ana"].pk).outcome == Outcome.REQUESTED


def test_what_was_withdrawn_meanwhile_is_foreseen_nowhere(asked, agent, now):
    booking.cancel(Booking.objects.filter(child__last_name="Bo"), by=agent, at=now)
    foreseen = booking.foresee_answer([asked["Bo"]])
    assert (foreseen.accepted, foreseen.waitlisted, foreseen.full) == ([], [], [])
