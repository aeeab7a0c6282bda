"""What the verbs of `booking.py` lock and write: slots in primary-key order, bookings, places, events.

All slots of an activity, an establishment and a day (a shelf) are locked together.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import date, datetime, timedelta
from operator import attrgetter
from typing import Any, Protocol, TypeVar

from django.db.models import F, Q, QuerySet

from families.models import User
from portal.database import plain_rows, trials
from portal.database.composed import Composed, Given, GivenMany
from portal.reservations.acts.refusals import BookingRefused
from portal.reservations.models import (
    Booking,
    BookingEvent,
    Formula,
    Place,
    Reservation,
    ReservationLine,
    Slot,
)
from portal.reservations.states import LIVE, TAKING, BookingState

NEW_BOOKING = tuple(column.attname for column in Booking._meta.concrete_fields if not column.primary_key)

# All slots of an activity, an establishment and a day: what is locked together.
Shelf = tuple[int, int, date]


class Changes:
    """Changes of bookings, gathered, then written in a fixed number of queries with their events."""

    def __init__(
        self,
        *,
        by: User | None,
        at: datetime,
        reservation: Reservation | None = None,
        reason: str = "",
        keeps_rank: bool = False,
        tells: bool = False,
    ) -> None:
        self.by, self.at, self.reservation, self.reason = by, at, reservation, reason
        self.keeps_rank = keeps_rank  # who waits again waits since when it did before
        self.tells = tells  # a letter of its own says what becomes of the bookings that it creates
        self.moved: dict[BookingState, list[Booking]] = defaultdict(list)
        self.created: list[tuple[Booking, list[Slot]]] = []
        self.gained: dict[int, int] = defaultdict(int)
        # Of these, those beyond the capacity; and which (a booking by identity, a slot by key) they are.
        self.forced: dict[int, int] = defaultdict(int)
        self.beyond: set[tuple[int, int]] = set()
        self.reasons: dict[int, str] = {}  # of single bookings, by identity, where each has its own
        # Of single bookings, by identity, where several reservations (keys) are recorded at once.
        self.asked_by: dict[int, int] = {}
        self.freed: set[int] = set()
        self.withdrawn: list[Booking] = []  # their cancellation was asked for: it is granted now
        self.placed: list[tuple[Booking, list[Slot]]] = []  # known bookings that concern more slots now
        self.fallen: list[ReservationLine] = []  # halves of changes that came to nothing
        self.taken_up: list[Booking] = []  # offered places that their family takes

    def create(self, bookings: list[tuple[Booking, list[Slot]]]) -> None:
        """New bookings with the slots they concern."""
        self.created = bookings
        for booking, slots in bookings:
            if booking.state in TAKING:
                self._gain(booking, slots)

    def force(self, booking: Booking, slots: Iterable[Slot]) -> None:
        """Of the places that the booking is about to take, these are given beyond the capacity."""
        self.beyond |= {(id(booking), slot.pk) for slot in slots}

    def grant(self, booking: Booking, slots: list[Slot], *, known: Collection[Slot] | None = None) -> None:
        """A waiting or requested booking gets its places. `known`: the slots it concerns so far, where
        another booking of the child had kept the others."""
        self.move(booking, BookingState.ACCEPTED)
        self._gain(booking, slots)
        if known is not None:
            self.placed.append((booking, [slot for slot in slots if slot not in known]))

    def offer(self, booking: Booking, slots: list[Slot], until: datetime) -> None:
        """A waiting booking is offered its places, which are kept for it until then."""
        booking.offered_until = until
        self.move(booking, BookingState.OFFERED)
        self._gain(booking, slots)

    def take_up(self, booking: Booking, state: BookingState = BookingState.ACCEPTED) -> None:
        """An offered booking, or one that is paid, keeps the places that were kept for it."""
        self.move(booking, state)
        self.taken_up.append(booking)

    def move(self, booking: Booking, state: BookingState) -> None:
        """A booking changes state without gaining a place; where it ends, its places are given back."""
        self.moved[state].append(booking)

    def _gain(self, booking: Booking, slots: list[Slot]) -> None:
        if trials.current() is not None:
            return  # it takes no place, so that others find as many as there are
        for slot in slots:
            self.gained[slot.pk] += 1
            self.forced[slot.pk] += self._is_beyond(booking, slot)

    def _is_beyond(self, booking: Booking, slot: Slot) -> bool:
        return (id(booking), slot.pk) in self.beyond

    def write(self) -> None:
        """Writes everything: ended bookings first, so that their places can be taken again."""
        ended = [b for state, of_state in self.moved.items() if state not in LIVE for b in of_state]
        self.withdrawn = [b for b in ended if b.state == BookingState.CANCEL_REQUESTED]
        if ended:
            self._give_back(ended)
        for state, of_state in self.moved.items():
            if state == BookingState.WAITLISTED and not self.keeps_rank:
                self._queue_up(of_state)
                continue
            self._restate(of_state, state)
        if self.created:
            self._number([booking for booking, _ in self.created])
        if self.created or self.placed:
            plain_rows.insert(
                Place,
                ("booking_id", "slot_id", "child_id", "forced"),
                [
                    (booking.pk, slot.pk, booking.child_id, self._is_beyond(booking, slot))
                    for booking, slots in [*self.created, *self.placed]
                    for slot in slots
                ],
            )
        self._take()
        plain_rows.insert(
            BookingEvent,
            ("booking_id", "state", "at", "by_id", "reservation_id", "reason"),
            list(self._events()),
        )

    def _restate(self, bookings: list[Booking], state: BookingState) -> None:
        """One update, or one for each hour until which places are offered."""
        by_hour: dict[datetime | None, list[int]] = defaultdict(list)
        for booking in bookings:
            if state != BookingState.OFFERED:
                booking.offered_until = None
            booking.state, booking.changed_at = state, self.at
            by_hour[booking.offered_until].append(booking.pk)
        for until, keys in by_hour.items():
            Booking.objects.filter(pk__in=keys).update(state=state, changed_at=self.at, offered_until=until)

    def _number(self, new: list[Booking]) -> None:
        """Writes new bookings, which learn their keys."""
        values = attrgetter(*NEW_BOOKING)
        keys = plain_rows.insert_numbered(Booking, NEW_BOOKING, [values(booking) for booking in new])
        for booking, key in zip(new, keys, strict=True):
            booking.pk = key

    def _queue_up(self, bookings: list[Booking]) -> None:
        """To the waiting list, in the order decided: a microsecond tells who of one moment comes first."""
        for place, booking in enumerate(bookings):
            booking.state, booking.changed_at = BookingState.WAITLISTED, self.at
            booking.waiting_since = self.at + timedelta(microseconds=place)
        Booking.objects.bulk_update(bookings, ["state", "changed_at", "waiting_since"])

    def _give_back(self, ended: list[Booking]) -> None:
        held = {booking.pk for booking in ended if booking.state in TAKING}
        places = Place.objects.filter(booking__in=ended)
        lost: dict[int, int] = defaultdict(int)
        beyond: dict[int, int] = defaultdict(int)
        for booking_id, slot_id, forced in places.values_list("booking_id", "slot_id", "forced"):
            if booking_id in held:
                lost[slot_id] += 1
                beyond[slot_id] += forced
        places.delete()
        if trials.current() is not None:
            return  # none was taken
        for (count, too_many), slot_ids in _by_count(lost, beyond).items():
            held_here = Slot.objects.filter(pk__in=slot_ids, taken__gte=count, forced__gte=too_many)
            moved = held_here.update(taken=F("taken") - count, forced=F("forced") - too_many)
            if moved != len(slot_ids):
                raise RuntimeError("A slot counts fewer places than its bookings hold.")
        self.freed |= lost.keys()

    def _take(self) -> None:
        for (count, forced), slot_ids in _by_count(self.gained, self.forced).items():
            room = Q(capacity=None) | Q(taken__lte=F("capacity") - (count - forced))
            wanted = Slot.objects.filter(pk__in=slot_ids)
            # What is given beyond the capacity asks for no room.
            wanted = wanted.filter(room) if count > forced else wanted
            moved = wanted.update(taken=F("taken") + count, forced=F("forced") + forced)
            if moved != len(slot_ids):
                raise BookingRefused("Une place vient d'être prise : réessayez.")

    def _events(self) -> Iterator[tuple[Any, ...]]:
        changed = [booking for of_state in self.moved.values() for booking in of_state]
        changed += [booking for booking, _ in self.created]
        by_id = self.by.pk if self.by else None
        reservation_id = self.reservation.pk if self.reservation else None
        for booking in changed:
            reason = self.reasons.get(id(booking), self.reason)
            asked_by = self.asked_by.get(id(booking), reservation_id)
            yield booking.pk, str(booking.state), self.at, by_id, asked_by, reason


class OfPart(Protocol):
    """A slot, or as much of it as `slots_of` reads."""

    @property
    def part(self) -> str: ...

    @property
    def formula_id(self) -> int | None: ...


AnySlot = TypeVar("AnySlot", bound=OfPart)


def slots_of(slots: Iterable[AnySlot], formula: Formula) -> list[AnySlot] | None:
    """Among one day's slots of an activity and establishment, those the formula takes a place in.

    None when one of its parts has no slot that day: the formula is not open then.
    """
    parts = {slot.part: slot for slot in slots if slot.formula_id is None}
    if not formula.parts or any(part not in parts for part in formula.parts):
        return None
    quotas = [slot for slot in slots if slot.formula_id == formula.pk]
    return [parts[part] for part in formula.parts] + quotas


def _by_count(counts: dict[int, int], forced: dict[int, int]) -> dict[tuple[int, int], list[int]]:
    """Slot ids grouped by how many places move, and how many of these are beyond the capacity: one update for
    each group."""
    groups: dict[tuple[int, int], list[int]] = defaultdict(list)
    for slot_id, count in counts.items():
        groups[count, forced.get(slot_id, 0)].append(slot_id)
    return groups


def full(slots: Iterable[Slot], taken: dict[int, int]) -> list[Slot]:
    """Those without room for one more."""
    return [slot for slot in slots if slot.capacity is not None and taken[slot.pk] >= slot.capacity]


def fits(slots: Iterable[Slot], taken: dict[int, int]) -> bool:
    """Whether every slot has room; if so the places are counted as taken in `taken`."""
    wanted = list(slots)
    if full(wanted, taken):
        return False
    for slot in wanted:
        taken[slot.pk] += 1
    return True


def force(slots: Iterable[Slot], taken: dict[int, int]) -> list[Slot]:
    """The places are counted as taken in `taken` whether there is room or not; answers the slots that have
    none: there they are beyond the capacity."""
    wanted = list(slots)
    beyond = full(wanted, taken)
    for slot in wanted:
        taken[slot.pk] += 1
    return beyond


def shelves_of(bookings: Iterable[Booking]) -> set[Shelf]:
    return {(booking.activity_id, booking.establishment_id, booking.day) for booking in bookings}


def _lock_slots(shelves: Collection[Shelf]) -> dict[Shelf, list[Slot]]:
    """Locks the slots in primary-key order, which is what keeps transactions from deadlocking."""
    return _slots_on(shelves, _held_slots)


def _read_slots(shelves: Collection[Shelf]) -> dict[Shelf, list[Slot]]:
    """The same, for who only looks."""
    return _slots_on(shelves, _seen_slots)


def _slots_on(shelves: Collection[Shelf], found: Callable[..., Iterable[Slot]]) -> dict[Shelf, list[Slot]]:
    days_by_place: dict[tuple[int, int], list[date]] = defaultdict(list)
    for activity_id, establishment_id, day in shelves:
        days_by_place[activity_id, establishment_id].append(day)
    if not days_by_place:
        return {}
    given: dict[str, Any] = {}
    for number, ((activity_id, establishment_id), days) in enumerate(days_by_place.items()):
        given[f"activity{number}"], given[f"place{number}"] = activity_id, establishment_id
        given[f"days{number}"] = days
    slots: dict[Shelf, list[Slot]] = defaultdict(list)
    for slot in found(len(days_by_place), **given):
        slots[slot.activity_id, slot.establishment_id, slot.day].append(slot)
    return slots


@Composed
def _held_slots(places: int) -> "QuerySet[Slot]":
    return Slot.objects.select_for_update().filter(_on_days(places)).order_by("pk")


@Composed
def _seen_slots(places: int) -> "QuerySet[Slot]":
    return Slot.objects.filter(_on_days(places)).order_by("pk")


def _on_days(places: int) -> Q:
    wanted = Q()
    for number in range(places):
        wanted |= Q(
            activity=Given(f"activity{number}"),
            establishment=Given(f"place{number}"),
            day__among=GivenMany(f"days{number}"),
        )
    return wanted


def _places_of(bookings: Iterable[Booking], slots: dict[Shelf, list[Slot]]) -> dict[int, list[Slot]]:
    """For each booking id, the locked slots it concerns."""
    by_id = {slot.pk: slot for of_day in slots.values() for slot in of_day}
    places: dict[int, list[Slot]] = defaultdict(list)
    ids = [booking.pk for booking in bookings]
    if not ids:
        return places
    for booking_id, slot_id in Place.objects.filter(booking_id__in=ids).values_list("booking_id", "slot_id"):
        places[booking_id].append(by_id[slot_id])
    return places
