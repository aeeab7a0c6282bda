"""Credit notes on any issued invoice, paid or not.

    foresee(invoice, wanted) -> Foreseen                what it would say and free; nothing is written
    credit(invoice, wanted, reason=…, …) -> CreditNote  frees what was paid beyond it, then writes the note
    to_give_back(note) -> [(Payment, Decimal)]          where what it freed can be refunded still

What was paid of the invoice and is credited now is the family's again: the payment used last first. Kept, it
pays what the family owes besides at once, and its next invoices; else it waits to be given back.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import transaction

from billing.invoices import creditable, invoicing
from billing.invoices.creditable import Plan, Wanted
from billing.invoices.refusals import BillingRefused
from billing.models import CreditNote, Invoice, InvoiceWithBalance, Payment
from billing.payments import paying
from families.custody import own
from families.models import Household, User

RIGHT = "billing.add_creditnote"
Becomes = CreditNote.Becomes
ZERO = Decimal("0.00")


class Changed(BillingRefused):
    """It is no longer what was shown."""


@dataclass(frozen=True, kw_only=True)
class Foreseen:
    """A credit note to be: its lines, what it leaves to pay of the invoice, and how much of which payment it
    frees; in euros."""

    invoice: InvoiceWithBalance
    plan: Plan
    freed: list[tuple[Payment, Decimal]]

    @property
    def amount(self) -> Decimal:
        return self.plan.amount

    @property
    def sum_freed(self) -> Decimal:
        return sum((part for _, part in self.freed), ZERO)

    @property
    def left(self) -> Decimal:
        """Of the invoice, afterwards."""
        return self.invoice.left - self.amount + self.sum_freed

    @property
    def stamp(self) -> str:
        """What was shown, so that nothing else is done."""
        lines = [(one.label, str(one.amount), sorted(one.items)) for one in self.plan.lines]
        said = repr((lines, f"{self.sum_freed:.2f}", f"{self.plan.given_back:.2f}"))
        return hashlib.sha256(said.encode()).hexdigest()[:16]


def foresee(invoice: Invoice, wanted: Wanted) -> Foreseen:
    """Raises BillingRefused where that cannot be credited."""
    found = creditable.of(invoice)
    made = creditable.plan(found, wanted)
    over = max(made.amount - found.invoice.left, ZERO)
    freed = [(one.payment, part) for one, part in paying.paid_by(found.invoice, over)]
    return Foreseen(invoice=found.invoice, plan=made, freed=freed)


def credit(
    invoice: Invoice,
    wanted: Wanted,
    *,
    reason: str,
    by: User | None,
    at: datetime,
    becomes: str = Becomes.KEPT,
    seen: str = "",
) -> CreditNote:
    """The note; what it frees is kept for the family or (`becomes`) waits to be given back. Raises
    BillingRefused, and Changed where it is no longer what was shown (`seen`: the stamp of that)."""
    own.check(by, [invoice.household_id], right=RIGHT, at=at)
    with transaction.atomic():
        if joined := Household.objects.lock([invoice.household_id]).get(invoice.household_id):
            raise BillingRefused(paying.joined_sentence(joined))
        found = foresee(invoice, wanted)
        if seen and seen != found.stamp:
            raise Changed(
                "Ce qui est payé ou crédité de cette facture a changé entre-temps : voici le nouvel aperçu."
            )
        freed = found.sum_freed
        paying.free(found.invoice, freed)
        note = invoicing.credit(
            found.invoice,
            wanted,
            reason=reason,
            by=by,
            at=at,
            freed=freed,
            becomes=becomes if freed else "",
        )
        if freed and becomes == Becomes.KEPT:
            paying.use_what_is_left(found.invoice.household)
    return note


def to_give_back(note: CreditNote) -> list[tuple[Payment, Decimal]]:
    """The household's payments that hold what the note freed, the last one first, and how much each."""
    missing, found = note.freed, []
    payments = note.invoice.household.payments.validated().filter(refunds=None, regie=note.invoice.regie_id)
    for payment in payments.order_by("-paid_on", "-pk"):
        if missing > 0 and (part := min(missing, paying.unused(payment))) > 0:
            found.append((payment, part))
            missing -= part
    return found
