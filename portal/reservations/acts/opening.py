"""Opening a period: the slots that families can then reserve, made in bulk and repeatable; and what
the town hall changes on them afterwards: their capacity, whether they are closed.

A slot is made for each open day, at each establishment, for each part of the day that an active
formula takes, with the usual capacity of that part; a formula with a usual quota gets its own row.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from django.db import transaction
from django.utils import timezone

from portal.french import moments
from portal.reservations.acts import booking
from portal.reservations.days.calendars import OpenDays
from portal.reservations.models import Capacity, Establishment, Formula, Part, Period, Slot

BATCH = 1000


def establishments_of(period: Period) -> list[Establishment]:
    """Where the period takes place: its own establishments, or else all those of its activity in service."""
    chosen = list(period.establishments.filter(active=True))
    return chosen or list(period.activity.establishments.filter(active=True))


@dataclass(frozen=True)
class Terms:
    """What new slots of a period begin with, where that is not the usual.

    `capacities` need not be saved; a part or a formula without one has no limit. `left_out` are ids of active
    formulas that are not offered: each gets a closed row of its own, which the town hall may reopen.
    """

    establishments: Sequence[Establishment]
    capacities: Sequence[Capacity]
    left_out: frozenset[int] = frozenset()


def missing_slots(
    period: Period, *, at: datetime, within: tuple[date, date] | None = None, terms: Terms | None = None
) -> list[Slot]:
    """The slots, not saved yet, that `open_slots` would make: what a preview shows.

    `at` is aware: days before its date are left out, since nobody reserves yesterday. `within` limits
    the days to those between two dates, both included. With `terms`, `period` need not be saved.
    Costs the same number of queries whatever the days and establishments.
    """
    first, last = max(period.starts_on, timezone.localdate(at)), period.ends_on
    if within:
        first, last = max(first, within[0]), min(last, within[1])
    if first > last:
        return []
    active = list(period.activity.formulas.filter(active=True))
    if terms:
        establishments, capacities = list(terms.establishments), list(terms.capacities)
        formulas = [formula for formula in active if formula.pk not in terms.left_out]
    else:
        establishments, formulas = establishments_of(period), active
        capacities = list(
            Capacity.objects.filter(activity=period.activity_id, establishment__in=establishments)
        )
    parts = [part for part in Part.values if any(part in formula.parts for formula in formulas)]
    # Even where a part of it has no slot: opening that part later must not offer the formula again.
    shut = [formula for formula in active if formula not in formulas and formula.parts]
    shared = {(row.establishment_id, row.part): row.places for row in capacities if row.formula_id is None}
    existing: set[tuple[int, date, str, int | None]] = set(
        Slot.objects.filter(
            activity=period.activity_id,
            establishment__in=establishments,
            day__range=(first, last),
        ).values_list("establishment_id", "day", "part", "formula_id")
    )
    # A formula has at most one quota a day, whatever the part it was counted in.
    with_quota = {(place, day, formula) for place, day, _, formula in existing if formula is not None}
    calendars = OpenDays.load_many(period.activity, establishments, first, last)
    missing = []
    for establishment in establishments:
        quotas = list(_quotas(capacities, establishment, formulas))
        for day in calendars[establishment.pk].days(first, last):
            missing += [
                Slot(
                    activity_id=period.activity_id,
                    establishment=establishment,
                    day=day,
                    part=part,
                    capacity=shared.get((establishment.pk, part)),
                )
                for part in parts
                if (establishment.pk, day, part, None) not in existing
            ]
            missing += [
                Slot(
                    activity_id=period.activity_id,
                    establishment=establishment,
                    day=day,
                    part=quota.part,
                    formula_id=quota.formula_id,
                    capacity=quota.places,
                )
                for quota in quotas
                if (establishment.pk, day, quota.formula_id) not in with_quota
            ]
            missing += [
                Slot(
                    activity_id=period.activity_id,
                    establishment=establishment,
                    day=day,
                    part=formula.parts[0],
                    formula_id=formula.pk,
                    closed=True,
                )
                for formula in shut
                if (establishment.pk, day, formula.pk) not in with_quota
            ]
    return missing


def open_slots(
    period: Period, *, at: datetime, within: tuple[date, date] | None = None, terms: Terms | None = None
) -> int:
    """Makes the missing slots of `period` from the day of `at` (aware) on; answers how many.

    Repeatable: what exists stays as it is, capacities changed by hand included.
    """
    with transaction.atomic():
        missing = missing_slots(period, at=at, within=within, terms=terms)
        # Another agent opening the same period meanwhile makes the same rows: theirs are as good.
        Slot.objects.bulk_create(missing, batch_size=BATCH, ignore_conflicts=True)
    return len(missing)


class TooManyTaken(Exception):
    """More places are taken than the capacity asked for; the message is the French sentence to show."""

    def __init__(self, slots: Sequence[Slot], places: int) -> None:
        self.slots = list(slots)
        shown = self.slots[:5]
        named = moments.listing([f"le {moments.day(slot.day)} ({slot.taken} prises)" for slot in shown])
        more = f", et {len(self.slots) - 5} de plus" if len(self.slots) > 5 else ""
        super().__init__(
            f"Il y a déjà plus de {places} places prises {named}{more}. Rien n'a été changé : "
            "annulez d'abord des réservations, ou fermez le créneau pour n'en plus recevoir."
        )


@transaction.atomic
def resize(slots: Iterable[Slot], places: int | None, *, at: datetime) -> int:
    """Gives slots another capacity, None for no limit; answers how many waiting children then got a place.

    Raises TooManyTaken when one of them has more places taken, those given beyond the capacity apart; then
    nothing is changed.
    """
    locked = _lock(slots)
    if places is not None and (crowded := [slot for slot in locked if slot.taken - slot.forced > places]):
        raise TooManyTaken(crowded, places)
    keys = [slot.pk for slot in locked]
    Slot.objects.filter(pk__in=keys).update(capacity=places)
    return len(booking.promote(keys, at=at))


@transaction.atomic
def close(slots: Iterable[Slot]) -> int:
    """Takes no more reservations; those that stand stay. Answers how many slots it closed."""
    return Slot.objects.filter(pk__in=[slot.pk for slot in _lock(slots)], closed=False).update(closed=True)


@transaction.atomic
def reopen(slots: Iterable[Slot], *, at: datetime) -> int:
    """Takes reservations again, first those that wait. Answers how many slots it reopened."""
    keys = [slot.pk for slot in _lock(slots) if slot.closed]
    Slot.objects.filter(pk__in=keys).update(closed=False)
    booking.promote(keys, at=at)
    return len(keys)


def _lock(slots: Iterable[Slot]) -> list[Slot]:
    """The slots as they stand under lock. Those of the same days are locked with them, in primary-key
    order, as every verb of `booking` does: two of them never wait for each other in a circle."""
    wanted = {slot.pk: slot for slot in slots}
    same_days = Slot.objects.filter(
        activity__in={slot.activity_id for slot in wanted.values()},
        establishment__in={slot.establishment_id for slot in wanted.values()},
        day__in={slot.day for slot in wanted.values()},
    )
    return [slot for slot in same_days.select_for_update().order_by("pk") if slot.pk in wanted]


def _quotas(
    capacities: list[Capacity], establishment: Establishment, formulas: list[Formula]
) -> Iterator[Capacity]:
    """The usual quota of each active formula there, the first one when several parts have one."""
    active = {formula.pk for formula in formulas}
    for row in sorted(capacities, key=lambda row: Part.values.index(row.part)):
        if row.formula_id in active and row.establishment_id == establishment.pk:
            active.discard(row.formula_id)
            yield row
