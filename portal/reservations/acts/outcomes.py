"""What becomes of the days asked for and of whole reservations once bookings moved, at the end of an act."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import date

from portal.reservations.acts.places import Changes
from portal.reservations.models import Booking, Reservation, ReservationLine
from portal.reservations.states import Action, BookingState, Outcome, ReservationState

# What waits for its family, until an hour.
KEPT_AS = {BookingState.OFFERED: Outcome.OFFERED, BookingState.HELD: Outcome.HELD}


def save_outcomes(lines: Iterable[ReservationLine]) -> None:
    """Writes outcomes, one update for each distinct answer (there are few)."""
    groups: dict[tuple[str, bool, str], list[int]] = defaultdict(list)
    for line in lines:
        groups[line.outcome, line.late, line.reason].append(line.pk)
    for (outcome, late, reason), ids in groups.items():
        ReservationLine.objects.filter(pk__in=ids).update(outcome=outcome, late=late, reason=reason)


def lines_following(changes: Changes, promoted: Iterable[Booking]) -> list[ReservationLine]:
    """Lines of other reservations that these bookings bring up to date, with their new outcome.

    Those that asked for a booking now cancelled, promoted or offered, and those that asked for a cancellation
    which the town hall made itself. And halves of changes that fell with their other half.
    """
    origins: dict[tuple[int | None, int, date], Outcome] = {}
    for booking in changes.moved[BookingState.CANCELLED]:
        origins[booking.reservation_id, booking.formula_id, booking.day] = Outcome.CANCELLED
    for booking in [*changes.taken_up, *promoted]:
        outcome = KEPT_AS.get(BookingState(booking.state), Outcome.ACCEPTED)
        origins[booking.reservation_id, booking.formula_id, booking.day] = outcome
    following = [*changes.fallen]
    if origins:
        days = {day for _, _, day in origins}
        asked = ReservationLine.objects.filter(
            reservation__in={pk for pk, _, _ in origins if pk}, day__in=days, action=Action.BOOK
        )
        for line in asked:
            became = origins.get((line.reservation_id, line.formula_id, line.day))
            if became is not None:
                line.outcome = became
                following.append(line)
    if changes.withdrawn:
        granted = {(b.household_id, b.child_id, b.formula_id, b.day) for b in changes.withdrawn}
        asked = ReservationLine.objects.filter(
            reservation__child__in={child_id for _, child_id, _, _ in granted},
            action=Action.CANCEL,
            outcome=Outcome.REQUESTED,
        ).select_related("reservation")
        fallen = {line.pk for line in changes.fallen}
        for line in asked.exclude(pk__in=fallen) if fallen else asked:
            asker = line.reservation
            if (asker.household_id, asker.child_id, line.formula_id, line.day) in granted:
                line.outcome = Outcome.ACCEPTED
                following.append(line)
    return following


def restate(reservation_ids: Iterable[int]) -> None:
    """Derives the state of recorded reservations from their lines."""
    lines: dict[int, list[ReservationLine]] = defaultdict(list)
    recorded = ReservationLine.objects.filter(reservation__in=list(reservation_ids)).exclude(
        reservation__state=ReservationState.DRAFT
    )
    for line in recorded:
        lines[line.reservation_id].append(line)
    groups: dict[ReservationState, list[int]] = defaultdict(list)
    for reservation_id, of_reservation in lines.items():
        groups[state_of(of_reservation)].append(reservation_id)
    for state, ids in groups.items():
        Reservation.objects.filter(pk__in=ids).update(state=state)


def state_of(lines: Iterable[ReservationLine]) -> ReservationState:
    """What to say of a whole reservation: days cancelled since do not count."""
    outcomes = {line.outcome for line in lines} - {Outcome.CANCELLED}
    if not outcomes:
        return ReservationState.CANCELLED
    if Outcome.REQUESTED in outcomes or outcomes <= {Outcome.WAITLISTED, Outcome.OFFERED, Outcome.HELD}:
        return ReservationState.PENDING
    if outcomes == {Outcome.ACCEPTED}:
        return ReservationState.ACCEPTED
    if outcomes == {Outcome.REFUSED}:
        return ReservationState.REFUSED
    return ReservationState.PARTLY
