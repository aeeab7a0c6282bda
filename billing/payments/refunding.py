"""Giving money back through the provider that took it, with a credit note.

refund(payment, amount, …) -> OnlineRefund         asked once, ended when the provider says so
"""

from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial

from django.db import transaction
from django.db.models import Sum
from django.utils import timezone

from billing.invoices import invoicing
from billing.models import OnlinePayment, OnlineRefund, OnlineState, Payment
from billing.payments import online_letters, paying
from billing.payments.events import (
    RECONCILED_AT_ONCE,
    ZERO,
    Kind,
    OnlinePaymentRefused,
    ReconciliationReport,
    write_down,
)
from billing.payments.providers import choosing
from billing.payments.providers.interface import ProviderDown, ProviderRefused, Refunded
from families.custody import own
from families.models import Household, User
from portal.french.amounts import euros


def refundable(payment: OnlinePayment) -> Decimal:
    """What was neither given back nor asked to be."""
    if payment.payment_id is None:
        return ZERO
    taken = payment.refunds.exclude(state=OnlineRefund.State.FAILED).aggregate(sum=Sum("amount"))["sum"]
    return payment.amount - (taken or ZERO)


def refund(
    payment: OnlinePayment,
    amount: Decimal,
    *,
    reason: str,
    key: str,
    with_credit: bool,
    by: User | None,
    at: datetime,
) -> OnlineRefund:
    """Gives money back through the provider; the same `key` twice gives it once.

    With a credit note, the invoices paid stay settled; without, they are due again. Raises
    OnlinePaymentRefused.
    """
    own.check(by, [payment.household_id], right="billing.change_onlinepayment", at=at)
    provider = choosing.named(payment.provider)
    if not provider.refunds_online:
        raise OnlinePaymentRefused(
            f"{payment.get_provider_display()} ne rembourse pas en ligne : remboursez par virement, puis"
            " notez-le au guichet."
        )
    if amount <= 0 or amount != amount.quantize(ZERO):
        raise OnlinePaymentRefused("Indiquez un montant positif, au centime près.")
    if not reason.strip():
        raise OnlinePaymentRefused("Indiquez le motif du remboursement.")
    with transaction.atomic():
        Household.objects.lock([payment.household_id])
        asked = OnlineRefund.objects.filter(key=key).first()
        if asked is None:
            most = refundable(payment)
            if amount > most:
                raise OnlinePaymentRefused(f"Ce paiement peut être remboursé de {euros(most)} au plus.")
            asked = OnlineRefund.objects.create(
                online_payment=payment,
                key=key,
                amount=amount,
                reason=reason.strip()[:300],
                with_credit=with_credit,
                asked_by=by,
                asked_at=at,
            )
        elif asked.online_payment_id != payment.pk:
            raise OnlinePaymentRefused("Ce formulaire est celui d'un autre paiement.")
    if asked.state == OnlineRefund.State.ASKED:
        try:
            answer = provider.refund(payment.charge_reference, asked.amount, asked.key)
        except ProviderRefused as error:
            _end_refund(asked.pk, Refunded(done=False, failed=True, raw={"error": str(error)}), at)
            raise OnlinePaymentRefused(f"Le remboursement est refusé : {error}") from error
        except ProviderDown as error:
            raise OnlinePaymentRefused(
                "La banque ne répond pas. Le remboursement est noté et sera demandé à nouveau tout seul."
            ) from error
        _end_refund(asked.pk, answer, at)
    asked.refresh_from_db()
    return asked


def _end_refund(refund_id: int, answer: Refunded, at: datetime) -> None:
    """Books a refund the provider has answered, once."""
    household = OnlineRefund.objects.values_list("online_payment__household", flat=True).get(pk=refund_id)
    with transaction.atomic():
        Household.objects.lock([household])
        asked = OnlineRefund.objects.select_related("online_payment__payment", "asked_by").get(pk=refund_id)
        payment = asked.online_payment
        if asked.state != OnlineRefund.State.ASKED or payment.payment is None:
            return
        asked.provider_reference = answer.provider_reference
        if answer.failed:
            asked.state = OnlineRefund.State.FAILED
        elif answer.done:
            _book_refund(asked, payment, payment.payment, at)
        asked.save(update_fields=["provider_reference", "state", "payment"])
        words = {"asked": "demandé à la banque", "done": "fait", "failed": "refusé par la banque"}[
            asked.state
        ]
        write_down(
            payment, Kind.REFUND, f"Remboursement de {euros(asked.amount)} {words}.", at, raw=answer.raw
        )


def _book_refund(asked: OnlineRefund, payment: OnlinePayment, money: Payment, at: datetime) -> None:
    for invoice, part in paying.release(money, asked.amount):
        if asked.with_credit:
            invoicing.credit(invoice, part, reason=asked.reason, by=asked.asked_by, at=at)
    asked.payment = paying.refund(
        money,
        asked.amount,
        means=Payment.Means.ONLINE,
        paid_on=timezone.localtime(at).date(),
        by=asked.asked_by,
        at=at,
    )
    asked.state = OnlineRefund.State.DONE
    given_back = (
        payment.refunds.filter(state=OnlineRefund.State.DONE).aggregate(sum=Sum("amount"))["sum"] or ZERO
    )
    if given_back + asked.amount >= payment.amount and payment.state == OnlineState.VALIDATED:
        OnlinePayment.objects.filter(pk=payment.pk).update(state=OnlineState.REFUNDED)
    transaction.on_commit(partial(online_letters.tell_refund.enqueue, asked.pk), robust=True)


def refunded_elsewhere(payment: OnlinePayment, total: Decimal, at: datetime) -> None:
    """More was given back than we asked: on the provider's pages, or by a dispute lost. Invoices reopen."""
    with transaction.atomic():
        Household.objects.lock([payment.household_id])
        payment.refresh_from_db()
        extra = total - (payment.amount - refundable(payment))
        if payment.payment_id is None or extra <= 0:
            return
        asked = OnlineRefund.objects.create(
            online_payment=payment,
            key=f"elsewhere-{payment.reference}-{total}",
            amount=min(extra, refundable(payment)),
            reason="Remboursé chez le prestataire",
            with_credit=False,
            asked_at=at,
        )
        _end_refund(asked.pk, Refunded(done=True, raw={"total": str(total)}), at)


def finish_refunds(report: ReconciliationReport, at: datetime) -> None:
    """Asks again for the refunds that were left without an answer; the key makes it one refund only."""
    waiting = OnlineRefund.objects.filter(
        state=OnlineRefund.State.ASKED, asked_at__lt=at - timedelta(minutes=5)
    ).select_related("online_payment")
    for asked in waiting[:RECONCILED_AT_ONCE]:
        payment = asked.online_payment
        try:
            answer = choosing.named(payment.provider).refund(
                payment.charge_reference, asked.amount, asked.key
            )
        except ProviderDown:
            report.unanswered += 1
            continue
        except ProviderRefused as error:
            answer = Refunded(done=False, failed=True, raw={"error": str(error)})
            report.troubles.append(f"{payment} : le remboursement de {euros(asked.amount)} est refusé.")
        _end_refund(asked.pk, answer, at)
        report.changed += answer.done
