"""Letters about payments that were put right: what is due again, until when, and why."""

from collections.abc import Sequence
from decimal import Decimal

from django.urls import reverse

from billing.models import InvoiceWithBalance, Payment, Reallocation, TransferRefund
from families.emails import addresses
from portal.french.amounts import euros
from portal.french.dates import short_day
from portal.letters import mailing


def reversed_(
    payment: Payment, reversal: Payment, instead: Payment | None, due: Sequence[InvoiceWithBalance]
) -> None:
    """A payment is none, and maybe another one stands in its place."""
    _post(
        payment,
        "billing/payment_reversed",
        due,
        {
            "number": reversal.number,
            "because": reversal.get_because_display(),
            "instead": euros(instead.amount) if instead else "",
            "instead_number": instead.number if instead else "",
        },
    )


def moved(payment: Payment, gone: Payment, come: Payment, due: Sequence[InvoiceWithBalance]) -> None:
    """Both households learn of it; none learns who the other is."""
    _post(
        payment,
        "billing/payment_moved",
        due,
        {"arrives": False, "number": gone.number, "amount": euros(come.amount)},
    )
    _post(
        come,
        "billing/payment_moved",
        (),
        {"arrives": True, "number": come.number, "amount": euros(come.amount)},
    )


def reallocated(payment: Payment, row: Reallocation, due: Sequence[InvoiceWithBalance]) -> None:
    """A payment pays other invoices."""
    _post(
        payment,
        "billing/payment_reallocated",
        due,
        {"parts": [f"facture n°\xa0{number} : {_amount(amount)}" for number, amount in row.pays_now]},
    )


def given_back(refund: TransferRefund) -> None:
    """The money is on its way to the family's account, or did not arrive there."""
    payment = refund.payment
    home = payment.household_id
    mailing.post(
        "billing/transfer_refund",
        addresses(home),
        {
            "amount": euros(-payment.amount),
            "account": refund.account if refund.iban_end else "",
            "refused": refund.state == TransferRefund.State.REFUSED,
            "why_not": refund.why_not,
            "path": reverse("billing:account"),
        },
        home=home,
    )


def refund_undone(refund: Payment, back: Payment, instead: Payment | None) -> None:
    """What was noted as given back was not; and maybe another amount was."""
    _post(
        refund,
        "billing/refund_undone",
        (),
        {
            "amount": euros(-refund.amount),
            "number": back.number,
            "instead": euros(-instead.amount) if instead else "",
            "instead_number": instead.number if instead else "",
        },
    )


def _post(
    payment: Payment, template: str, due: Sequence[InvoiceWithBalance], more: dict[str, object]
) -> None:
    home = payment.household_id
    mailing.post(
        template,
        addresses(home),
        {
            "payment": payment,
            "amount": euros(payment.amount),
            "means": payment.get_means_display(),
            "paid_on": short_day(payment.paid_on, year=True),
            "due": [
                f"facture n°\xa0{one.number} : {euros(one.left)}, au plus tard le"
                f" {short_day(one.pay_by, year=True)}"
                for one in due
            ],
            "path": reverse("billing:account"),
        }
        | more,
        home=home,
    )


def _amount(text: str) -> str:
    return euros(Decimal(text))
