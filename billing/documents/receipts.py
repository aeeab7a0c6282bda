"""The receipt of a payment, whatever its means: who paid how much, how, when, and what it paid."""

from collections import defaultdict
from decimal import Decimal
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils import timezone

from billing.documents import pdf
from billing.invoices import invoicing, regies
from billing.models import Invoice, Payment, PaymentKind, PaymentState
from billing.payments import paying
from families.desk_cells import person
from portal.french.amounts import euros
from portal.french.dates import short_day

TITLES = {
    PaymentKind.REFUND: "Reçu de remboursement",
    PaymentKind.REVERSAL: "Annulation",
    PaymentKind.TRANSFER: "Transfert",
}
STYLE = Path(settings.BASE_DIR) / "templates" / "billing" / "invoice.css"


ENDED_BY = (PaymentKind.REVERSAL, PaymentKind.TRANSFER, PaymentKind.BACK)


def _undone(row: Payment) -> str:
    """That the receipt is none any more, since when and why."""
    on = short_day(timezone.localtime(row.recorded_at).date(), year=True)
    if row.kind == PaymentKind.BACK:
        return f"Ce remboursement n'a pas eu lieu : l'argent est revenu le {on} (n°\xa0{row.number})."
    why = row.get_because_display() or "noté à ce compte par erreur"
    return f"Ce reçu est annulé depuis le {on} (n°\xa0{row.number}) : {why}."


def render(payment: Payment, *, duplicate: bool | None = None) -> bytes:
    """The PDF of a validated payment, or of a refund. At the desk, whether it is a `duplicate` is said."""
    return pdf.draw(
        "billing/receipt.html", context(payment, duplicate=duplicate), STYLE, identifier=payment.number
    )


def context(payment: Payment, *, duplicate: bool | None = None) -> dict[str, Any]:
    """What it says, on paper and on the desk's page, in words already."""
    household = payment.household
    used = list(payment.allocations.select_related("invoice").prefetch_related("invoice__lines"))
    free = paying.unused(payment)
    since = payment.refunded_by.filter(state=PaymentState.VALIDATED).order_by("pk")
    undone = next((one for one in since if one.kind in ENDED_BY), None)
    back = since.filter(kind=PaymentKind.REFUND).exclude(refunded_by__kind=PaymentKind.BACK)
    name = "Reçu" if duplicate is None else "Quittance"
    return {
        "payment": payment,
        "title": name if payment.amount > 0 else TITLES[PaymentKind(payment.kind)],
        "of": payment.refunds.number if payment.refunds else "",
        "undone": _undone(undone) if undone else "",
        "duplicate": bool(duplicate),
        "issuer": invoicing.issuer_of(regies.facts(payment.regie_id)),
        "household": household,
        "payer": " et ".join(str(guardian) for guardian in household.guardians.all()),
        "amount": euros(abs(payment.amount)),
        "paid_on": short_day(payment.paid_on, year=True),
        "made_on": short_day(timezone.localtime(payment.recorded_at).date(), year=True),
        "taken_by": person(payment.recorded_by)
        if duplicate is not None and payment.recorded_by is not None
        else "",
        "invoices": [
            (one.invoice.number, one.invoice.month_name, _what(one.invoice), euros(one.amount))
            for one in used
        ],
        "free": euros(free) if free > 0 else "",
        "given_back": [(one.number, short_day(one.paid_on, year=True), euros(-one.amount)) for one in back],
    }


def _what(invoice: Invoice) -> str:
    """« Restauration scolaire 12,80 €, Centre de loisirs 9,00 € »: what an invoice is for."""
    found: dict[str, Decimal] = defaultdict(Decimal)
    for line in invoice.lines.all():
        found[line.activity_name or line.label] += line.amount
    return ", ".join(f"{name} {euros(amount)}" for name, amount in found.items() if amount)
