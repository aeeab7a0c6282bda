"""What a recalculation makes of billed days and flat prices: kept as it was confirmed, for the next invoice.

A change counts as long as nothing else happens to its day: one that is cancelled, or entered otherwise, is
corrected as ever, by what is known then.
"""

from collections.abc import Callable, Collection, Iterable
from datetime import date

from django.db.models import Exists, OuterRef, Q, QuerySet

from billing.invoices.billable import BY_QUANTITY, UNCREDITED
from billing.invoices.draft import Change
from billing.invoices.flats import Flat, FlatPrices
from billing.invoices.lines import Lines
from billing.invoices.reading import Billed
from billing.models import BilledItem, RecalculatedHousehold
from portal.reservations.models import AttendanceState
from portal.reservations.states import HOLDING


def apply(
    rows: Iterable[RecalculatedHousehold],
    lines: Lines,
    flats: FlatPrices,
    *,
    touched: Collection[int],
    counting: Callable[[Collection[Flat]], Collection[Flat]],
) -> None:
    """Adds the lines of what was confirmed. `touched`: the billings that these drafts have corrected already;
    `counting`: the flat prices that a day counts for. Three queries at most."""
    changes = [Change.read(kept) for row in rows for kept in row.changes]
    if not changes:
        return
    standing = {item.pk: item for item in _standing({one.item for one in changes if one.item})}
    held_again = counting([Flat.read(one.flat, one.household) for one in changes if one.emptied])
    for change in changes:
        if change.flat.startswith(BY_QUANTITY):
            # Worked out once more with what else these drafts change.
            lines.counted_again[change.household].add(change.day or date.min)
            continue
        item = None if change.item is None else standing.get(change.item)
        if change.item is not None and (item is None or item.pk in touched):
            continue
        name, turn = change.flat, 1
        if change.flat:
            flat = Flat.read(change.flat, change.household)
            if not flats.may_change(flat, billed=item is not None) or (change.emptied and flat in held_again):
                continue
            name, turn = flats.next_of(flat)
            flats.pay(flat)
        elif item is not None:
            turn = item.turn + 1
        regie = lines.billing(change, item)
        if item is not None and (item.amount or item.flat):
            day = change.day or date.min
            lines.take_back(
                Billed(item=item, household=change.household, child=change.child or 0, day=day), "recalculé"
            )
            turn += 1
        if change.kind:
            lines.bill_again(change, name, turn, regie)


def _standing(items: Collection[int]) -> QuerySet[BilledItem]:
    """Those of these billings that nothing followed and no credit note took back, of days still held."""
    later = BilledItem.objects.filter(turn__gt=OuterRef("turn"))
    return (
        BilledItem.objects.filter(
            UNCREDITED,
            ~Exists(later.filter(booking=OuterRef("booking"))),
            ~Exists(later.filter(attendance=OuterRef("attendance"))),
            ~Exists(later.filter(flat=OuterRef("flat")).exclude(flat="")),
            pk__in=items,
        )
        .filter(Q(booking=None) | Q(booking__state__in=HOLDING))
        .exclude(attendance__state=AttendanceState.MISTAKEN)
        .select_related("line__invoice")
    )
