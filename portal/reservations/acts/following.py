"""Where the booked days of a child go that changes place: the same formula on the same day, if there is room.

Reads under the locks of `booking.py`, which writes what is decided here.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from portal.reservations.acts.places import Shelf, fits, slots_of
from portal.reservations.days.calendars import OpenDays, Pupil
from portal.reservations.models import Activity, Booking, Establishment, Formula, Period, Place, Slot
from portal.reservations.states import LIVE, BookingState

# Why a day cannot follow, as « complet le jeudi 26 novembre » goes on.
FULL = "complet"
NOT_PAID = "gardé, pas encore payé"
NOWHERE = "sans lieu choisi"
BUSY = "déjà pris par une autre réservation"
NO_PERIOD = "hors des périodes du nouveau lieu"
SHUT = "lieu fermé"


@dataclass(frozen=True)
class Way:
    """Where the days of an enrolment go: to `place` (None: nobody has said where), but for those that are at
    one of `keeps` already."""

    place: Establishment | None
    keeps: frozenset[int] = frozenset()

    def of(self, booking: Booking) -> Establishment | None:
        return booking.establishment if booking.establishment_id in self.keeps else self.place


@dataclass(frozen=True)
class Going:
    """What a day becomes at its new place."""

    place: Establishment
    period: Period
    formula: Formula
    slots: list[Slot]


@dataclass(frozen=True)
class Left:
    """A day that could not follow, and why; `place` is where it was to go."""

    booking: Booking
    place: Establishment | None
    why: str


def shelves(bookings: Iterable[Booking], ways: Mapping[int, Way]) -> set[Shelf]:
    """The shelves that these bookings may go to."""
    found = set()
    for booking in bookings:
        place = ways[booking.enrolment_id].of(booking)
        if place is not None:
            found.add((booking.activity_id, place.pk, booking.day))
    return found


class Rooms:
    """What the new places have, read once under lock; counts what it gives."""

    def __init__(
        self,
        ways: Mapping[int, Way],
        slots: Mapping[Shelf, Sequence[Slot]],
        periods: Iterable[Period],
        formulas: Iterable[Formula],
        calendars: Mapping[tuple[int, int], OpenDays],
        busy: Collection[tuple[int, int]],
        serving: Collection[tuple[int, int]],
    ) -> None:
        self.ways, self.slots, self.calendars = ways, slots, calendars
        self.serving = serving  # (activity, place): what is offered where, now
        self.taken = {slot.pk: slot.taken for of_day in slots.values() for slot in of_day}
        self.busy = set(busy)  # (child, slot)
        self.periods: dict[int, list[Period]] = defaultdict(list)
        for period in periods:
            self.periods[period.activity_id].append(period)
        self.formulas: dict[int, list[Formula]] = defaultdict(list)
        for formula in formulas:
            self.formulas[formula.activity_id].append(formula)

    @classmethod
    def load(
        cls, bookings: Sequence[Booking], ways: Mapping[int, Way], slots: Mapping[Shelf, Sequence[Slot]]
    ) -> "Rooms":
        """In 5 queries and one for each child, activity and place. Bookings come with their enrolment and
        activity; those that end now are not in anybody's way."""
        activities = {one.activity_id for one in bookings}
        years = {one.enrolment.school_year_id for one in bookings}
        periods = Period.objects.filter(activity__in=activities, school_year__in=years)
        there = {key for of_day in slots.values() for key in (slot.pk for slot in of_day)}
        busy = Place.objects.filter(slot__in=there, child__in={one.child_id for one in bookings})
        places = Activity.establishments.through._default_manager.filter(
            activity__in=activities, activity__active=True, establishment__active=True
        )
        calendars: dict[tuple[int, int], OpenDays] = {}
        for one in bookings:
            place = ways[one.enrolment_id].of(one)
            if place is None or (one.enrolment_id, place.pk) in calendars:
                continue
            days = [each.day for each in bookings if each.enrolment_id == one.enrolment_id]
            pupil = Pupil(one.child_id, one.enrolment.school_year_id)
            calendars[one.enrolment_id, place.pk] = OpenDays.load(
                one.activity, place, min(days), max(days), pupil
            )
        return cls(
            ways,
            slots,
            list(periods.prefetch_related("establishments")),
            list(Formula.objects.filter(activity__in=activities)),
            calendars,
            busy.exclude(booking__in=bookings).values_list("child_id", "slot_id"),
            set(places.values_list("activity_id", "establishment_id")),
        )

    def stays(self, booking: Booking) -> bool:
        """Whether the day is where it belongs, and open for the child there."""
        place = self.ways[booking.enrolment_id].of(booking)
        return place is not None and place.pk == booking.establishment_id and not self._closed(booking, place)

    def of(self, booking: Booking, *, beside: Collection[int] = ()) -> Going | str:
        """What the day becomes, or why it cannot follow. `beside`: slots that the child holds for the other
        half of a change. Places are asked for by `has_room` and `hold`."""
        place = self.ways[booking.enrolment_id].of(booking)
        if place is None:
            return NOWHERE
        if (booking.activity_id, place.pk) not in self.serving:
            return SHUT
        if closed := self._closed(booking, place):
            return closed
        shelf = self.slots.get((booking.activity_id, place.pk, booking.day), ())
        period = self._period(booking, place)
        if period is None:
            return NO_PERIOD
        for formula in self._alike(booking):
            wanted = slots_of(shelf, formula)
            if wanted is None or any(slot.closed for slot in wanted):
                continue
            kept = set(beside)
            if any((booking.child_id, slot.pk) in self.busy and slot.pk not in kept for slot in wanted):
                return BUSY
            return Going(place, period, formula, wanted)
        return f"« {self._named(booking)} » n'y est pas proposé"

    def has_room(self, going: Going) -> bool:
        """Whether the day gets its places there, which then count as taken."""
        return fits(going.slots, self.taken)

    def hold(self, booking: Booking, slots: Iterable[Slot]) -> None:
        """The child is there: nothing else of that child goes to the same part of the day."""
        self.busy.update((booking.child_id, slot.pk) for slot in slots)

    def with_room(self, going: Going) -> list[int]:
        """Its slots, as keys, where those that wait may be given a place at once."""
        return [
            slot.pk for slot in going.slots if slot.capacity is None or self.taken[slot.pk] < slot.capacity
        ]

    def _closed(self, booking: Booking, place: Establishment) -> str:
        why = self.calendars[booking.enrolment_id, place.pk].why_closed(booking.day)
        return f"fermé ({why.label})" if why else ""

    def _period(self, booking: Booking, place: Establishment) -> Period | None:
        """The one it was reserved in, if it holds there, or another one of that day."""
        own = booking.reservation.period_id if booking.reservation else None
        held = [
            one
            for one in self.periods[booking.activity_id]
            if one.starts_on <= booking.day <= one.ends_on and one.concerns(place.pk)
        ]
        return min(held, key=lambda one: one.pk != own, default=None)

    def _alike(self, booking: Booking) -> list[Formula]:
        """The formula itself as long as it is offered or booked, then those of its name, then those that do
        the same."""
        known = self.formulas[booking.activity_id]
        own = next(one for one in known if one.pk == booking.formula_id)
        others = [one for one in known if one.active and one != own]
        named = [one for one in others if one.name.casefold() == own.name.casefold()]
        same = [
            one
            for one in others
            if set(one.parts) == set(own.parts) and one.with_meal == own.with_meal and one not in named
        ]
        kept = [own] if own.active or booking.state in LIVE else []
        return [*kept, *named, *same]

    def _named(self, booking: Booking) -> str:
        return next(one.name for one in self.formulas[booking.activity_id] if one.pk == booking.formula_id)


def ends_unanswered(booking: Booking) -> bool:
    """The new half of a change that the town hall has not answered."""
    origin = booking.reservation
    return booking.state == BookingState.REQUESTED and origin is not None and origin.is_change
