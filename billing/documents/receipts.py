"""The receipt of a payment, whatever its means: who paid how much, how, when, and which invoices it paid."""

from pathlib import Path

from django.conf import settings
from django.utils import timezone

from billing.documents import pdf
from billing.invoices import invoicing
from billing.models import BillingSettings, Payment, PaymentKind
from billing.payments import paying
from portal.french.amounts import euros
from portal.french.dates import short_day

TITLES = {
    PaymentKind.REFUND: "Reçu de remboursement",
    PaymentKind.REVERSAL: "Annulation",
    PaymentKind.TRANSFER: "Transfert",
}
STYLE = Path(settings.BASE_DIR) / "templates" / "billing" / "invoice.css"


def _undone(reversal: Payment) -> str:
    on = short_day(timezone.localtime(reversal.recorded_at).date(), year=True)
    return f"Ce reçu est annulé depuis le {on} (n°\xa0{reversal.number}) : {reversal.get_because_display()}."


def render(payment: Payment) -> bytes:
    """The PDF of a validated payment, or of a refund."""
    household = payment.household
    used = list(payment.allocations.select_related("invoice"))
    free = paying.unused(payment)
    undone = payment.refunded_by.filter(kind=PaymentKind.REVERSAL).first()
    names = " et ".join(str(guardian) for guardian in household.guardians.all())
    return pdf.draw(
        "billing/receipt.html",
        {
            "payment": payment,
            "title": "Reçu" if payment.amount > 0 else TITLES[PaymentKind(payment.kind)],
            "of": payment.refunds.number if payment.refunds else "",
            "undone": _undone(undone) if undone else "",
            "issuer": invoicing.issuer_of(BillingSettings.current()),
            "household": household,
            "payer": names,
            "amount": euros(abs(payment.amount)),
            "paid_on": short_day(payment.paid_on, year=True),
            "made_on": short_day(timezone.localtime(payment.recorded_at).date(), year=True),
            "invoices": [(one.invoice.number, one.invoice.month_name, euros(one.amount)) for one in used],
            "free": euros(free) if free > 0 else "",
        },
        STYLE,
        identifier=payment.number,
    )
