"""The receipt of a payment, whatever its means: who paid how much, how, when, and which invoices it paid."""

from pathlib import Path

from django.conf import settings
from django.utils import timezone

from billing.documents import pdf
from billing.invoices import invoicing, regies
from billing.models import Payment
from portal.french.amounts import euros
from portal.french.dates import short_day

STYLE = Path(settings.BASE_DIR) / "templates" / "billing" / "invoice.css"


def render(payment: Payment) -> bytes:
    """The PDF of a validated payment, or of a refund."""
    household = payment.household
    used = list(payment.allocations.select_related("invoice"))
    free = payment.amount - sum(allocation.amount for allocation in used)
    names = " et ".join(str(guardian) for guardian in household.guardians.all())
    return pdf.draw(
        "billing/receipt.html",
        {
            "payment": payment,
            "title": "Reçu" if payment.amount > 0 else "Reçu de remboursement",
            "issuer": invoicing.issuer_of(regies.facts(payment.regie_id)),
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
