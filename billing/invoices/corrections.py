"""What was billed and counts otherwise now: taken back, and billed again as it stands."""

from collections.abc import Collection
from datetime import date
from typing import TypeAlias

from billing.invoices.billable import Billable, Kind
from billing.invoices.flats import Flat, FlatPrices
from billing.invoices.lines import Lines
from billing.invoices.presence_prices import PresencePrices, Priced
from billing.invoices.reading import Billed, Reading, Reconsidered
from billing.models import Counted

# Child, formula, year, month.
FormulaMonth: TypeAlias = tuple[int, int, int, int]


def correct(
    reading: Reading, prices: PresencePrices, lines: Lines, flats: FlatPrices, billable: Billable
) -> set[int]:
    """Adds the lines of what is taken back and of what is billed anew; answers which billings (keys) that was
    about. One query, where a day that was billed by itself may belong to a flat price now."""
    for billed in reading.taken_back:
        lines.take_back(billed, "annulé" if billed.item.booking_id else "pointage corrigé")
    emptied = _emptied(reading, prices, flats, billable)
    for billed in emptied:
        lines.take_back(billed, "plus aucun jour")
    anew = [(one, _anew(one, prices)) for one in reading.reconsidered]
    changed = [(one, priced) for one, priced in anew if priced is not None]
    paid_by_the_day = _paid_by_the_day(reading, billable) if any(one.flat for _, one in changed) else ()
    for one, priced in changed:
        item, presence = one.billed.item, one.presence
        if priced.flat and _month(presence.child, presence.formula, presence.day) in paid_by_the_day:
            flats.pay(priced.flat)
        if one.billed.taken_back:
            missed = item.counted == Counted.PRESENT and priced.counted != Counted.PRESENT
            lines.take_back(one.billed, "absence connue" if missed else "pointage corrigé")
        lines.bill(presence, priced, corrects=item.line.invoice)
    touched = [*reading.taken_back, *emptied, *(one.billed for one, _ in changed)]
    return {one.item.pk for one in touched}


def _anew(one: Reconsidered, prices: PresencePrices) -> Priced | None:
    """What a billed day costs now; None where its billing stands.

    It stands as long as nothing that was entered makes it count otherwise, whatever became of tariffs and
    quotients. A day that had a price of its own keeps it where the tariff has become flat since.
    """
    item, presence = one.billed.item, one.presence
    same = item.line.formula_id in (None, presence.formula)
    if same and (item.counted, item.minutes) == (prices.counted(presence), presence.minutes):
        return None
    priced = prices.of(presence)
    if priced is None or (
        priced.amount == item.amount and not priced.flat and not _costs_by_number(one, priced)
    ):
        return None
    return None if priced.flat and item.amount else priced


def _costs_by_number(one: Reconsidered, priced: Priced) -> bool:
    """Whether a day that costs nothing by itself counts otherwise now in the number that costs."""
    if not (one.billed.by_number or priced.kind == Kind.QUANTITY):
        return False
    item = one.billed.item
    same = item.line.formula_id in (None, one.presence.formula) and item.counted == priced.counted
    return not (same and one.billed.by_number and priced.kind == Kind.QUANTITY)


def _paid_by_the_day(reading: Reading, billable: Billable) -> set[FormulaMonth]:
    """Months of a child's formula that were billed day by day: no flat price is asked besides."""
    billed = billable.last_billings().filter(
        booking__child_id__in={one.presence.child for one in reading.reconsidered}, amount__gt=0
    )
    days = billed.values_list("booking__child_id", "booking__formula_id", "booking__day")
    return {_month(child, formula, day) for child, formula, day in days.order_by()}


def _emptied(reading: Reading, prices: PresencePrices, flats: FlatPrices, billable: Billable) -> list[Billed]:
    """Flat prices that were billed and that the town gives back, as none of their days counts any more. One
    query, five more where a day of any is gone."""
    losing = {item.pk for item in billable.flats_losing_days()}
    if not losing:
        return []
    found = [one for one in flats.billed.values() if one.item.pk in losing and flats.gives_back(one.flat)]
    held = counting([one.flat for one in found], reading, prices, flats)
    return [one.as_billed(flats.extent(one.flat)[0]) for one in found if one.flat not in held]


def counting(
    asked: Collection[Flat], reading: Reading, prices: PresencePrices, flats: FlatPrices
) -> set[Flat]:
    """Those of these flat prices that a day counts for: held, and no excused absence. Two queries."""
    return {
        flat
        for flat, bookings in flats.days_held(asked).items()
        if any(booking is None or not prices.excused(reading.attendance.get(booking)) for booking in bookings)
    }


def _month(child: int, formula: int, day: date) -> FormulaMonth:
    return child, formula, day.year, day.month
