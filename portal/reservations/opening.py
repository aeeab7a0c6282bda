"""Opening a period: the slots that families can then reserve, made in bulk and repeatable.

A slot is made for each open day, at each establishment, for each part of the day that an active
formula takes, with the usual capacity of that part; a formula with a usual quota gets its own row.
"""

from collections.abc import Iterator
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from portal.reservations.calendars import OpenDays
from portal.reservations.models import Capacity, Establishment, Formula, Part, Period, Slot

BATCH = 1000


def establishments_of(period: Period) -> list[Establishment]:
    """Where the period takes place: its own establishments, or else all those of its activity in service."""
    chosen = list(period.establishments.filter(active=True))
    return chosen or list(period.activity.establishments.filter(active=True))


def missing_slots(period: Period, *, at: datetime) -> list[Slot]:
    """The slots, not saved yet, that `open_slots` would make: what a preview shows.

    `at` is aware: days before its date are left out, since nobody reserves yesterday.
    Costs four queries and those of `OpenDays.load` an establishment.
    """
    first = max(period.starts_on, timezone.localdate(at))
    if first > period.ends_on:
        return []
    establishments = establishments_of(period)
    formulas = list(period.activity.formulas.filter(active=True))
    parts = [part for part in Part.values if any(part in formula.parts for formula in formulas)]
    capacities = list(Capacity.objects.filter(activity=period.activity_id, establishment__in=establishments))
    shared = {(row.establishment_id, row.part): row.places for row in capacities if row.formula_id is None}
    existing = set(
        Slot.objects.filter(
            activity=period.activity_id,
            establishment__in=establishments,
            day__range=(first, period.ends_on),
        ).values_list("establishment_id", "day", "part", "formula_id")
    )
    # A formula has at most one quota a day, whatever the part it was counted in.
    with_quota = {(place, day, formula) for place, day, _, formula in existing if formula is not None}
    missing = []
    for establishment in establishments:
        quotas = list(_quotas(capacities, establishment, formulas))
        calendar = OpenDays.load(period.activity, establishment, first, period.ends_on)
        for day in calendar.days(first, period.ends_on):
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
    return missing


def open_slots(period: Period, *, at: datetime) -> int:
    """Makes the missing slots of `period` from the day of `at` (aware) on; answers how many.

    Repeatable: what exists stays as it is, capacities changed by hand included.
    """
    with transaction.atomic():
        missing = missing_slots(period, at=at)
        # Another agent opening the same period meanwhile makes the same rows: theirs are as good.
        Slot.objects.bulk_create(missing, batch_size=BATCH, ignore_conflicts=True)
    return len(missing)


def _quotas(
    capacities: list[Capacity], establishment: Establishment, formulas: list[Formula]
) -> Iterator[Capacity]:
    """The usual quota of each active formula there, the first one when several parts have one."""
    active = {formula.pk for formula in formulas}
    for row in sorted(capacities, key=lambda row: Part.values.index(row.part)):
        if row.formula_id in active and row.establishment_id == establishment.pk:
            active.discard(row.formula_id)
            yield row
