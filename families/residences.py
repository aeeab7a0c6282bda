"""The only writer of where households have lived: in the town or not, at which address, from which day."""

from collections.abc import Iterable
from datetime import date, datetime, timedelta

from django.db import transaction
from django.utils import timezone

from families.addresses import Address, Lived, same
from families.models import FormerAddress, Household, Residence


@transaction.atomic
def settle(household: Household, *, resident: bool, since: date, at: datetime) -> None:
    """The household lives in the town (`resident`), or no longer does, from `since` on, past or to come.

    Days before keep what was true of them, and a later change that is already known stays. Saves the
    household's `resident`, the answer of today, the day of `at`. Told twice, it changes nothing more.
    """
    Household.objects.lock([household.pk])
    rows = list(household.residences.all())
    if not rows:
        before = Household.objects.values_list("resident", flat=True).get(pk=household.pk)
        if before == resident:
            return
        rows.append(_row(household, None, before, at))
    found = next((row for row in rows if row.starts_on == since), None)
    if found is None:
        if holding(rows, since) == resident:
            return
        rows.append(_row(household, since, resident, at))
    elif found.resident != resident:
        found.resident, found.told_at = resident, at
        found.save()
    _forget_repeated(rows)
    refresh(household, today=timezone.localdate(at))


def move(household: Household, before: Address, *, since: date, at: datetime) -> FormerAddress | None:
    """The household, saved at its address of now, lived at `before` until the eve of `since`. Returns what
    was written; None where it is the same address in other words, or told already.

    What was told of moves from that day on is over: the address of now holds from `since`.
    """
    return next(iter(move_all([(household, before)], since=since, at=at)), None)


@transaction.atomic
def move_all(moved: Iterable[tuple[Household, Address]], *, since: date, at: datetime) -> list[FormerAddress]:
    """The same of many households, each with its address before, in four queries."""
    left = {home.pk: before for home, before in moved if not same(before, Address.of(home))}
    if not left:
        return []
    Household.objects.lock(left)
    eve = since - timedelta(days=1)
    told: dict[int, FormerAddress] = {}
    for row in FormerAddress.objects.filter(household__in=left, until__gte=eve).order_by("-until"):
        told[row.household_id] = row
    if told:
        FormerAddress.objects.filter(household__in=left, until__gt=eve).delete()
    made = []
    for pk, before in left.items():
        known = told.get(pk)
        if known is not None and known.until == eve:
            continue
        there = before if known is None else Address.of(known)
        made.append(
            FormerAddress(
                household_id=pk,
                until=eve,
                street=there.street,
                postcode=there.postcode,
                city=there.city,
                told_at=at,
            )
        )
    return FormerAddress.objects.bulk_create(made)


def addresses(household: Household, former: Iterable[FormerAddress], *, when_told: bool) -> tuple[Lived, ...]:
    """Where it lived and lives, the first first; `when_told`: a move counts from the day on which it was told
    where that is later."""
    found = []
    for row in sorted(former, key=lambda row: row.until):
        until = row.until
        if when_told:
            until = max(until, timezone.localdate(row.told_at) - timedelta(days=1))
        found.append(Lived(Address.of(row), until))
    return (*found, Lived(Address.of(household), None))


def holding(rows: list[Residence], day: date) -> bool:
    """What the rows of a household, in any order, say of a day; their first one holds before it too."""
    ordered = sorted(rows, key=_start)
    return next((row.resident for row in reversed(ordered) if _start(row) <= day), ordered[0].resident)


def refresh(household: Household, *, today: date) -> None:
    """Brings `household.resident` to what holds today."""
    rows = list(household.residences.all())
    if rows:
        household.resident = holding(rows, today)
        household.save(update_fields=["resident"])


def follow(today: date) -> int:
    """Households whose move was told beforehand and has come since: `resident` follows. Returns how many."""
    moved = [
        household
        for household in Household.objects.filter(residences__starts_on__lte=today)
        .distinct()
        .prefetch_related("residences")
        if household.resident != holding(list(household.residences.all()), today)
    ]
    for household in moved:
        refresh(household, today=today)
    return len(moved)


def _row(household: Household, starts_on: date | None, resident: bool, at: datetime) -> Residence:
    return Residence.objects.create(household=household, starts_on=starts_on, resident=resident, told_at=at)


def _start(row: Residence) -> date:
    return row.starts_on or date.min


def _forget_repeated(rows: list[Residence]) -> None:
    """A row that says what the one before it says is no change any more, unless it was told sooner: where a
    fact counts from when it was told, it counted already."""
    before = None
    for row in sorted(rows, key=_start):
        if before is not None and row.resident == before.resident and row.told_at >= before.told_at:
            row.delete()
        else:
            before = row
