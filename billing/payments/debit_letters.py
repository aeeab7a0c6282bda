"""Letters about direct debits."""

from django.urls import reverse

from billing.models import Debit
from families.emails import addresses
from portal.french.amounts import euros
from portal.letters import mailing


def tell_returned(debit: Debit) -> None:
    """The bank has sent a debit back: the household learns that its invoice is to pay again, and why."""
    household = debit.payment.household_id
    mailing.post(
        "billing/debit_returned",
        addresses(household),
        {
            "invoice": debit.invoice,
            "amount": euros(debit.payment.amount),
            "reason": debit.return_reason,
            "path": reverse("billing:invoice", args=[debit.invoice_id]),
        },
        home=household,
    )
