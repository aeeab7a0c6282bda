"""What must hold after every act, whoever acted; and the acts themselves, short enough for a sentence."""

from collections.abc import Iterable
from datetime import date, datetime
from itertools import product
from typing import Any

from django.db.models import Count, F, Q

from portal.reservations.acts import booking, reservation_drafts
from portal.reservations.acts.refusals import Choice
from portal.reservations.models import Booking, Place, Reservation, ReservationLine, Slot
from portal.reservations.states import HOLDING, LIVE, TAKING, Action, BookingState, Outcome, ReservationState

MONDAY = date(2026, 11, 16)
TUESDAY = date(2026, 11, 17)
THURSDAY = date(2026, 11, 19)
FRIDAY = date(2026, 11, 20)


def audit() -> None:
    """Places taken are those of bookings that hold one, none too many, and lines say what became of them."""
    held = Count("places", filter=Q(places__booking__state__in=TAKING))
    slots = {slot.pk: slot for slot in Slot.objects.annotate(held=held)}
    assert {pk: slot.taken for pk, slot in slots.items()} == {pk: slot.held for pk, slot in slots.items()}
    limited = [slot for slot in slots.values() if slot.capacity is not None]
    # Nobody overbooks but the town hall, place by place.
    assert [slot for slot in limited if slot.taken > slot.capacity + slot.forced] == []
    beyond = Count("places", filter=Q(places__booking__state__in=TAKING, places__forced=True))
    assert not Slot.objects.annotate(beyond=beyond).exclude(forced=F("beyond")).exists()
    assert not Place.objects.exclude(booking__state__in=LIVE).exists()
    for live in (
        Booking.objects.live().prefetch_related("places__slot").select_related("formula", "reservation")
    ):
        taken = [place.slot for place in live.places.all()]
        if live.state == BookingState.REQUESTED and live.reservation and live.reservation.is_change:
            # What it shares with the place that is kept until the answer stands there.
            kept = Slot.objects.filter(
                places__booking__child=live.child_id, places__booking__state=BookingState.CANCEL_REQUESTED
            )
            taken += kept.filter(activity=live.activity_id, day=live.day, part__in=live.formula.parts)
        where = {(slot.activity_id, slot.establishment_id, slot.day) for slot in taken}
        assert where == {(live.activity_id, live.establishment_id, live.day)}
        shared = [slot.part for slot in taken if slot.formula_id is None]
        assert sorted(shared) == sorted(live.formula.parts)
        assert {slot.formula_id for slot in taken} <= {None, live.formula_id}
    for each in Booking.objects.prefetch_related("events"):
        events = sorted(each.events.all(), key=lambda event: event.pk)
        assert [event.state for event in events][-1:] in ([each.state], [])
        assert (each.state == BookingState.WAITLISTED) <= (each.waiting_since is not None)
    _audit_lines()


def _audit_lines() -> None:
    lines = ReservationLine.objects.select_related("reservation")
    of_booking = {
        (each.reservation_id, each.formula_id, each.day): each.state
        for each in Booking.objects.filter(reservation__isnull=False).order_by("pk")
    }
    followed = {
        Outcome.ACCEPTED: HOLDING,
        Outcome.OFFERED: (BookingState.OFFERED,),
        Outcome.HELD: (BookingState.HELD,),
        Outcome.REQUESTED: (BookingState.REQUESTED,),
        Outcome.WAITLISTED: (BookingState.WAITLISTED,),
        Outcome.CANCELLED: (BookingState.CANCELLED,),
    }
    live = {
        (each.household_id, each.child_id, each.formula_id, each.day): each.state
        for each in Booking.objects.live()
    }
    for line in lines:
        asker = line.reservation
        assert (line.outcome == Outcome.DRAFT) == (asker.state == ReservationState.DRAFT)
        if line.action == Action.BOOK and line.outcome in followed:
            assert of_booking[asker.pk, line.formula_id, line.day] in followed[line.outcome], line
        if line.action == Action.CANCEL and line.outcome == Outcome.REQUESTED:
            key = (asker.household_id, asker.child_id, line.formula_id, line.day)
            assert live[key] == BookingState.CANCEL_REQUESTED


# What families do ---------------------------------------------------------------------------------------


def choices(canteen: Any, days: Iterable[date], formulas: Iterable[Any] = ()) -> list[Choice]:
    """The formula (or `formulas`) of a service on each day."""
    wanted = list(formulas) or [canteen.formula]
    return [Choice(formula.pk, day) for day, formula in product(days, wanted)]


def draft(who: Any, canteen: Any, *, at: datetime, **ticks: list[Choice]) -> Reservation | None:
    """`book`, `wait`, `cancel`: lists of choices."""
    return reservation_drafts.choose(
        who.enrolment, canteen.restaurant, canteen.period, **({"book": []} | ticks), by=who.user, at=at
    )


def reserve(who: Any, canteen: Any, *days: date, at: datetime, wait: bool = False) -> Reservation:
    """The family ticks the days and records them; with `wait`, accepting the waiting list."""
    ticks = {"wait" if wait else "book": choices(canteen, days)}
    found = draft(who, canteen, at=at, **ticks)
    assert found is not None
    return booking.submit(found, by=who.user, at=at)


def give_up(who: Any, canteen: Any, *days: date, at: datetime) -> Reservation:
    """The family asks for the days to be cancelled."""
    found = draft(who, canteen, at=at, cancel=choices(canteen, days))
    assert found is not None
    return booking.submit(found, by=who.user, at=at)


# What is then to be seen --------------------------------------------------------------------------------


def outcomes(reservation: Reservation) -> list[str]:
    """Of each line, in the order of the days."""
    return [line.outcome for line in reservation.lines.all()]


def reasons(reservation: Reservation) -> list[str]:
    """Of each line, in the order of the days."""
    return [line.reason for line in reservation.lines.all()]


def states(who: Any, *days: date) -> list[str | None]:
    """Where the child stands on each day, by the last booking."""
    found = dict(Booking.objects.filter(child=who.child).order_by("pk").values_list("day", "state"))
    return [found.get(day) for day in days]
