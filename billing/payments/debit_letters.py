"""Letters about direct debits."""

from django.urls import reverse

from billing.models import Debit, Invoice
from families.emails import addresses
from portal.french.amounts import euros
from portal.french.dates import short_day
from portal.letters import mailing


def tell_returned(debit: Debit) -> None:
    """The bank has sent a debit back: the household learns why, and until when its invoice is to be paid
    again, unless what it had left over pays it."""
    household = debit.payment.household_id
    invoice = Invoice.objects.with_balance().get(pk=debit.invoice_id)
    mailing.post(
        "billing/debit_returned",
        addresses(household),
        {
            "invoice": invoice,
            "amount": euros(debit.payment.amount),
            "reason": debit.return_reason,
            "left": euros(invoice.left) if invoice.left > 0 else "",
            "pay_by": short_day(invoice.pay_by, year=True),
            "path": reverse("billing:invoice", args=[debit.invoice_id]),
        },
        home=household,
    )
