"""Money for places that were gone when it came: given back through the provider that took it, and said."""

from django.db import transaction
from django.utils import timezone
from django_tasks import task

from billing.models import OnlinePayment
from billing.payments import refunding
from billing.payments.events import Kind, OnlinePaymentRefused, logger, write_down
from billing.payments.providers.interface import ProviderDown, ProviderRefused
from families.models import Household
from portal.tasks.attempts import whole

REASON = "Payé après l'heure : il n'y avait plus de place."
BY_HAND = "Payé après l'heure, plus de place : à rembourser à la famille."


@whole
@task()
def give_back(payment_id: int) -> None:
    """Once, whoever asks twice. Where the provider gives nothing back, the régie does it by hand: the payment
    is marked, and the money stands on the household's account until then."""
    payment = OnlinePayment.objects.get(pk=payment_id)
    left, now = refunding.refundable(payment), timezone.now()
    if left <= 0:
        return
    try:
        refunding.refund(
            payment,
            left,
            reason=REASON,
            key=f"cart-{payment.pk}",
            with_credit=False,
            by=None,
            at=now,
        )
    except (OnlinePaymentRefused, ProviderDown, ProviderRefused) as error:
        logger.warning("A cart paid too late was not given back: %s", error)
        with transaction.atomic():
            Household.objects.lock([payment.household_id])
            OnlinePayment.objects.filter(pk=payment.pk).update(trouble=BY_HAND)
            write_down(payment, Kind.REFUND, BY_HAND, now)
