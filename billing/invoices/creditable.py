"""What a credit note may still take back of an issued invoice: lines, days, how much. Reads only.

    of(invoice) -> Creditable                          in five queries
    plan(creditable, wanted) -> Plan                   the lines of the note to be; raises BillingRefused

A billed day is credited once, for what it cost, and only as long as no later invoice took it back. What an
invoice took off in the family's favour is not credited: of an invoice credited whole it is given back on the
next one.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from django.db.models import Exists, OuterRef, Q, Sum

from billing.invoices import cards
from billing.invoices.billable import BY_QUANTITY, UNCREDITED
from billing.invoices.refusals import BillingRefused
from billing.models import BilledItem, CreditNoteLine, Invoice, InvoiceLine, InvoiceWithBalance
from portal.french.amounts import euros

Kind = InvoiceLine.Kind
ZERO = Decimal("0.00")
LONGEST_LABEL = 200


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which part of an invoice: all of it, or lines and days (keys of InvoiceLine and of BilledItem), or an
    amount in euros that is of no line."""

    whole: bool = False
    lines: frozenset[int] = frozenset()
    items: frozenset[int] = frozenset()
    amount: Decimal | None = None


@dataclass(frozen=True)
class CreditableDay:
    """A billed day, or (`day` None) a flat price, that nothing took back: `amount` euros."""

    item: int
    day: date | None
    amount: Decimal


@dataclass(frozen=True, kw_only=True)
class CreditableLine:
    """A line of the invoice and what may still be credited of it, in euros; `untouched`: as it was billed."""

    line: InvoiceLine
    days: Sequence[CreditableDay]
    left: Decimal
    untouched: bool


@dataclass(frozen=True, kw_only=True)
class Creditable:
    """`most`: what the invoice still asks for or was paid; `deducted`: what it took off that was the
    family's; both in euros."""

    invoice: InvoiceWithBalance
    lines: Sequence[CreditableLine]
    most: Decimal
    deducted: Decimal

    @property
    def of_lines(self) -> Decimal:
        return sum((one.left for one in self.lines), ZERO)

    @property
    def whole(self) -> Decimal:
        """What a credit note of the whole invoice comes to."""
        return min(self.of_lines, self.most)


@dataclass(kw_only=True)
class PlannedLine:
    """A line of a credit note to be; `items`: the billed days and flat prices (keys) that it takes back."""

    line: InvoiceLine | None
    label: str
    quantity: Decimal
    unit_price: Decimal
    amount: Decimal
    days: Sequence[str] = ()
    items: Collection[int] = ()


@dataclass(frozen=True)
class Plan:
    """The lines of a credit note to be, and what is given back on the next invoice besides, in euros."""

    lines: list[PlannedLine] = field(default_factory=list)
    given_back: Decimal = ZERO

    @property
    def amount(self) -> Decimal:
        return sum((one.amount for one in self.lines), ZERO)


# What may be credited --------------------------------------------------------------------------------------


def of(invoice: Invoice) -> Creditable:
    """Of an invoice as it stands now."""
    now = Invoice.objects.with_balance().get(pk=invoice.pk)
    lines = list(now.lines.order_by("position"))
    rows = _rows_of_statements(lines)
    paid = cards.paid_items(now.household_id)
    items = _items([one.pk for one in lines] + [row.pk for row in rows.values()], paid)
    before = dict(
        CreditNoteLine.objects.filter(line__in=lines)
        .order_by()
        .values_list("line")
        .annotate(sum=Sum("amount"))
        .values_list("line", "sum")
    )
    found = [
        _line(one, items[rows[one.pk].pk if one.pk in rows else one.pk], before.get(one.pk, ZERO))
        for one in lines
        if one.amount > 0
    ]
    in_favour = [
        one
        for one in lines
        if one.amount < 0
        # What is less for days of the same invoice goes with them.
        and (rows[one.pk].kind if one.pk in rows else one.kind) not in (Kind.MANUAL, Kind.QUANTITY)
    ]
    return Creditable(
        invoice=now,
        lines=[one for one in found if one.left > 0],
        most=(now.total - now.credited - now.written_off).quantize(ZERO),
        deducted=-sum((one.amount for one in in_favour), ZERO),
    )


def _rows_of_statements(lines: Sequence[InvoiceLine]) -> dict[int, InvoiceLine]:
    """Of each line that repeats one of a statement (its key), the statement's own: its days are there."""
    carried = [one for one in lines if one.carried_id is not None]
    if not carried:
        return {}
    statements: dict[int, list[InvoiceLine]] = defaultdict(list)
    rows = InvoiceLine.objects.filter(invoice__in={one.carried_id for one in carried})
    for row in rows.order_by("position"):
        statements[row.invoice_id].append(row)
    found = {}
    for one in carried:
        same = [row for row in statements[one.carried_id or 0] if _repeats(one, row)]
        if same:
            found[one.pk] = same[0]
            statements[one.carried_id or 0].remove(same[0])
    return found


def _repeats(line: InvoiceLine, row: InvoiceLine) -> bool:
    said: list[tuple[Any, ...]] = [
        (one.child_id, one.formula_id, one.quantity, one.unit_price, one.amount) for one in (line, row)
    ]
    return said[0] == said[1] and line.label.startswith(row.label[:LONGEST_LABEL])


def _items(
    lines: Collection[int], paid_by_ticket: Collection[int]
) -> dict[int, list[tuple[CreditableDay, bool]]]:
    """By line, each billed day or flat price, and whether it may be credited: what a ticket paid may not."""
    later = BilledItem.objects.filter(turn__gt=OuterRef("turn"))
    rows = (
        BilledItem.objects.filter(line__in=lines)
        .annotate(
            uncredited=UNCREDITED,
            followed=Exists(later.filter(booking=OuterRef("booking")))
            | Exists(later.filter(attendance=OuterRef("attendance")))
            | Exists(later.filter(fee=OuterRef("fee")))
            | Exists(later.filter(meal=OuterRef("meal")))
            # What a number of presences changes adds up: a later change takes nothing back.
            | Exists(
                later.filter(flat=OuterRef("flat")).exclude(Q(flat="") | Q(flat__startswith=BY_QUANTITY))
            ),
        )
        .order_by("booking__day", "attendance__day", "meal__day", "pk")
    )
    found: dict[int, list[tuple[CreditableDay, bool]]] = defaultdict(list)
    for row in rows.values_list(
        "pk", "line_id", "booking__day", "attendance__day", "meal__day", "amount", "uncredited", "followed"
    ):
        pk, line, booked, came, eaten, amount, uncredited, followed = row
        if amount:
            day = CreditableDay(pk, booked or came or eaten, amount)
            found[line].append((day, bool(uncredited and not followed and pk not in paid_by_ticket)))
    return found


def _line(line: InvoiceLine, items: list[tuple[CreditableDay, bool]], before: Decimal) -> CreditableLine:
    days = [day for day, may in items if may]
    left, untouched = line.amount - before, not before and len(days) == len(items)
    if not untouched and items:
        left = min(left, sum((day.amount for day in days), ZERO))
    return CreditableLine(line=line, days=days, left=max(left, ZERO), untouched=untouched)


def settling(invoice: Invoice, amount: Decimal) -> Wanted:
    """What a note of `amount` answers of an invoice: all of it, its days too, where it comes to that."""
    return Wanted(whole=True) if of(invoice).whole == amount else Wanted(amount=amount)


# The lines of a note ---------------------------------------------------------------------------------------


def plan(creditable: Creditable, wanted: Wanted) -> Plan:
    """The note to be. Raises BillingRefused where that cannot be credited, or comes to more than is left."""
    number, most = creditable.invoice.number, creditable.most
    if wanted.amount is not None:
        if wanted.amount <= 0 or wanted.amount != wanted.amount.quantize(ZERO):
            raise BillingRefused("Un avoir est toujours d'un montant positif, au centime près.")
        made = Plan([_of_no_line("Avoir d'un montant libre", wanted.amount)])
    elif wanted.whole:
        made = _whole(creditable)
    else:
        made = _chosen(creditable, wanted)
    if most <= 0:
        raise BillingRefused(f"La facture {number} est déjà créditée ou abandonnée en entier.")
    if made.amount > most:
        raise BillingRefused(
            f"Il ne reste que {euros(most)} à créditer sur la facture {number} : le reste a déjà été déduit,"
            " crédité ou abandonné."
        )
    if made.amount <= 0:
        raise BillingRefused(f"Il n'y a plus rien à créditer sur la facture {number}.")
    return made


def _whole(creditable: Creditable) -> Plan:
    lines = [made for one in creditable.lines for made in _all_of(one)]
    over = creditable.of_lines - creditable.most
    if over <= 0:
        return Plan(lines)
    lines.append(_of_no_line("Déjà déduit, crédité ou abandonné", -over))
    return Plan(lines, min(over, creditable.deducted))


def _chosen(creditable: Creditable, wanted: Wanted) -> Plan:
    items = {day.item for one in creditable.lines for day in one.days}
    if not (wanted.lines <= {one.line.pk for one in creditable.lines} and wanted.items <= items):
        raise BillingRefused(
            "Un jour coché vient d'être crédité ou repris par une facture : choisissez à nouveau."
        )
    lines: list[PlannedLine] = []
    for one in creditable.lines:
        chosen = [day for day in one.days if day.item in wanted.items]
        if one.line.pk in wanted.lines or (chosen and len(chosen) == len(one.days)):
            lines += _all_of(one)
        elif chosen:
            lines += _days_of(one, chosen)
    if not lines:
        raise BillingRefused("Cochez les lignes ou les jours à créditer.")
    return Plan(lines)


def _all_of(one: CreditableLine) -> list[PlannedLine]:
    line, items = one.line, [day.item for day in one.days]
    if one.untouched:
        whole = PlannedLine(
            line=line,
            label=line.label,
            quantity=line.quantity,
            unit_price=line.unit_price,
            amount=one.left,
            days=line.days,
            items=items,
        )
        return [whole]
    if one.days:
        return _days_of(one, one.days)
    return [
        PlannedLine(line=line, label=line.label, quantity=Decimal(1), unit_price=one.left, amount=one.left)
    ]


def _days_of(one: CreditableLine, days: Iterable[CreditableDay]) -> list[PlannedLine]:
    """Days that cost the same share a line; together they come to no more than is left of theirs."""
    of: dict[Decimal, list[CreditableDay]] = defaultdict(list)
    for day in days:
        of[day.amount].append(day)
    found, left = [], one.left
    for price, same in of.items():
        amount = min(price * len(same), left)
        left -= amount
        exact = amount == price * len(same)
        found.append(
            PlannedLine(
                line=one.line,
                label=one.line.label,
                quantity=Decimal(len(same)) if exact else Decimal(1),
                unit_price=price if exact else amount,
                amount=amount,
                days=[day.day.isoformat() for day in same if day.day is not None] or one.line.days,
                items=[day.item for day in same],
            )
        )
    return found


def _of_no_line(label: str, amount: Decimal) -> PlannedLine:
    return PlannedLine(line=None, label=label, quantity=Decimal(1), unit_price=amount, amount=amount)
