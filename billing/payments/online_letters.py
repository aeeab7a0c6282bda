"""Letters about online payments, written by the worker once the bank has answered."""

from django.urls import reverse
from django_tasks import task

from billing.models import OnlinePayment, OnlineRefund, OnlineState
from families.emails import addresses
from portal.french.amounts import euros
from portal.letters import mailing
from portal.reservations.models import Cart
from portal.tasks.attempts import whole


@whole
@task(queue_name="mail")
def tell(payment_ids: list[int]) -> None:
    """The bank has accepted or refused these payments: their payers learn it."""
    rows = OnlinePayment.objects.filter(
        pk__in=payment_ids, state__in=[OnlineState.VALIDATED, OnlineState.REFUSED]
    )
    for payment in rows.select_related("payment", "household", "cart__activity").prefetch_related(
        "parts__invoice"
    ):
        mailing.post(
            "billing/online_payment", _addresses(payment), _context(payment), home=payment.household_id
        )


@whole
@task(queue_name="mail")
def tell_refund(refund_id: int) -> None:
    """The town hall has given money back, or it came back: the payer learns it."""
    refund = OnlineRefund.objects.select_related("online_payment__household").get(pk=refund_id)
    payment = refund.online_payment
    mailing.post(
        "billing/online_refund",
        _addresses(payment),
        _context(payment)
        | {
            "reason": refund.reason,
            "amount": euros(refund.amount),
            "failed": refund.state == OnlineRefund.State.FAILED,
            "disputed": refund.is_dispute,
        },
        home=payment.household_id,
    )


def _addresses(payment: OnlinePayment) -> list[str]:
    """Whoever paid; the household's adults when that login is gone."""
    return [payment.email] if payment.email else list(addresses(payment.household_id))


def _context(payment: OnlinePayment) -> dict[str, object]:
    return {
        "payment": payment,
        "tops_up": payment.cart is None and not payment.parts.all(),
        "cart": payment.cart,
        "too_late": payment.cart is not None and payment.cart.state != Cart.State.PAID,
        "validated": payment.state == OnlineState.VALIDATED,
        "amount": euros(payment.amount),
        "invoices": [f"{part.invoice.number} : {euros(part.amount)}" for part in payment.parts.all()],
        "path": reverse("billing:payment", args=[payment.reference]),
        "name": "",
    }
