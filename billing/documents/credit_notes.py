"""A credit note on paper and in words: which lines of which invoice, why, what becomes of the money.

Drawn from rows that never change: the same note always gives the same bytes.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from django.conf import settings
from django.utils import timezone

from billing.documents import pdf, wording
from billing.invoices.creditable import Plan
from billing.models import CreditNote, CreditNoteLine
from portal.french.amounts import euros, number
from portal.french.dates import short_day

STYLE = Path(settings.BASE_DIR) / "templates" / "billing" / "invoice.css"


@dataclass(frozen=True)
class ShownCredit:
    """A line of a note in words; `child` is empty where it is of no line of the invoice."""

    child: str
    label: str
    days: str
    quantity: str
    unit_price: str
    amount: str


def lines_of(note: CreditNote) -> list[ShownCredit]:
    """Of a note of before, which has no lines, one that says its reason."""
    if not note.line_count:
        return [ShownCredit("", note.reason, "", "1", euros(note.amount), euros(note.amount))]
    return [_shown(one) for one in note.lines.select_related("line").order_by("position")]


def planned(plan: Plan) -> list[ShownCredit]:
    """The lines of a note to be."""
    rows = (
        CreditNoteLine(
            line=one.line,
            label=one.label,
            days=list(one.days),
            quantity=one.quantity,
            unit_price=one.unit_price,
            amount=one.amount,
        )
        for one in plan.lines
    )
    return [_shown(row) for row in rows]


def _shown(row: CreditNoteLine) -> ShownCredit:
    line = row.line
    activity = f"{line.activity_name} – " if line and line.activity_name else ""
    return ShownCredit(
        child=(line.child_name or "Divers") if line else "",
        label=f"{activity}{row.label}",
        days=wording.days_of(row.days),
        quantity=number(row.quantity),
        unit_price=euros(row.unit_price),
        amount=euros(row.amount),
    )


def grouped(lines: Iterable[ShownCredit]) -> list[tuple[str, list[ShownCredit]]]:
    """By child, in the document's order."""
    return [(name or "Divers", list(group)) for name, group in groupby(lines, key=lambda one: one.child)]


def becomes(note: CreditNote) -> str:
    """What becomes of the money, in a sentence to the family."""
    lowered = note.amount - note.freed
    said = []
    if lowered:
        said.append(f"{euros(lowered)} ne sont plus à payer sur la facture n°\xa0{note.invoice.number}.")
    if note.freed and note.becomes == CreditNote.Becomes.REFUNDED:
        said.append(f"{euros(note.freed)} étaient déjà payés : la mairie vous les rembourse.")
    elif note.freed:
        said.append(
            f"{euros(note.freed)} étaient déjà payés : ils sont déduits de ce que vous devez, puis de vos"
            " prochaines factures."
        )
    return " ".join(said)


def vat(note: CreditNote) -> list[str]:
    """What it gives back of VAT, a sentence a rate."""
    lines = note.lines.select_related("line")
    return wording.vat_of((one.line.vat_percent, one.amount) for one in lines if one.line)


def render(note: CreditNote) -> bytes:
    """The PDF. The town hall is as the invoice says it."""
    invoice = note.invoice
    context = {
        "note": note,
        "invoice": invoice,
        "issuer": invoice.issuer,
        "issued_on": short_day(timezone.localtime(note.issued_at).date(), year=True),
        "invoiced_on": short_day(timezone.localtime(invoice.issued_at).date(), year=True),
        "groups": grouped(lines_of(note)),
        "amount": euros(note.amount),
        "vat": vat(note),
        "becomes": becomes(note),
    }
    return pdf.draw("billing/credit_note.html", context, STYLE, identifier=note.number)
