"""Giving money back through the provider that took it, with a credit note.

refund(payment, amount, …) -> OnlineRefund         asked once, ended when the provider says so
learn(payment, said, at)                           what a provider says of one refund, or dispute
finish_refunds(report, at)                         asks about those left without an end
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial

from django.db import transaction
from django.db.models import Sum
from django.utils import timezone

from billing.invoices import creditable, invoicing
from billing.models import Invoice, OnlinePayment, OnlineRefund, OnlineState, Payment
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
from billing.payments.providers.interface import (
    ProviderDown,
    ProviderRefused,
    TakenBack,
    TakenBackState,
)
from families.custody import own
from families.models import Household, User
from portal.french.amounts import euros

State = OnlineRefund.State
STATES = {
    TakenBackState.PENDING: State.ASKED,
    TakenBackState.DONE: State.DONE,
    TakenBackState.FAILED: State.FAILED,
}
ELSEWHERE = "elsewhere-"  # begins our key of a refund made on the provider's own pages


def refundable(payment: OnlinePayment) -> Decimal:
    """What was neither given back nor asked to be."""
    if payment.payment_id is None:
        return ZERO
    taken = payment.refunds.exclude(state=State.FAILED).aggregate(sum=Sum("amount"))["sum"]
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
    provider = choosing.of(payment)
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
        created = asked is None
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
    if asked.state == State.ASKED:
        try:
            if created:
                learn(payment, provider.refund(payment.charge_reference, asked.amount, asked.key), at)
            else:
                _catch_up(payment, [asked], at)
        except ProviderRefused as error:
            _refused(asked, error, at)
            raise OnlinePaymentRefused(f"Le remboursement est refusé : {error}") from error
        except ProviderDown as error:
            raise OnlinePaymentRefused(
                "La banque ne répond pas. Le remboursement est noté et sera demandé à nouveau tout seul."
            ) from error
    asked.refresh_from_db()
    return asked


def _refused(asked: OnlineRefund, error: ProviderRefused, at: datetime) -> None:
    """The provider made no refund: nothing was booked, and it can be asked for anew."""
    payment = asked.online_payment
    with transaction.atomic():
        Household.objects.lock([payment.household_id])
        waiting = OnlineRefund.objects.filter(pk=asked.pk, state=State.ASKED, provider_reference="")
        if waiting.update(state=State.FAILED):
            write_down(
                payment,
                Kind.REFUND,
                f"Remboursement de {euros(asked.amount)} refusé par la banque.",
                at,
                raw={"error": str(error)},
            )


# What a provider says of money that leaves a payment again --------------------------------------------------


def learn(payment: OnlinePayment, said: TakenBack, at: datetime) -> None:
    """Books what the provider says of one refund or dispute, by its number: once, whatever the order.

    Done, its amount has left the payment, and the invoices that it paid are due again but for a credit note;
    failed afterwards, the money is back and pays them again. Each adds to the others: what they take beyond
    the payment is booked too, and told to the régie. A payment that has not come has nothing to give back.
    """
    with transaction.atomic():
        Household.objects.lock([payment.household_id])
        current = OnlinePayment.objects.select_related("payment").get(pk=payment.pk)
        if current.payment is None:
            return
        row = _row(current, said, at)
        before, after = row.state, _after(row, said)
        if (before, said.reference) == (after, row.provider_reference):
            return
        row.state, row.provider_reference = after, said.reference
        if after == State.DONE and before != State.DONE:
            row.payment = _book(row, current, current.payment, at)
        row.save(update_fields=["state", "provider_reference", "payment"])
        if after == State.FAILED and before == State.DONE:
            _put_back(row, current, at)
        _tell(row, current)
        _stand(current)
        write_down(current, Kind.REFUND, _words(row), at, raw=said.raw)


def _row(payment: OnlinePayment, said: TakenBack, at: datetime) -> OnlineRefund:
    """The refund that the provider speaks of: known by its number, by our key, or new to us."""
    rows = payment.refunds.select_related("payment", "asked_by")
    found = rows.filter(provider_reference=said.reference).first()
    if found is None and said.key:
        found = rows.filter(key=said.key).first()
    if found is None and not said.disputed:
        # Learnt as a sum by an earlier version, which kept no number.
        earlier = rows.filter(provider_reference="", state=State.DONE, amount=said.amount)
        found = earlier.filter(key__startswith=ELSEWHERE).first()
    if found is not None:
        return found
    key = f"{OnlineRefund.DISPUTE if said.disputed else ELSEWHERE}{said.reference}"
    return OnlineRefund.objects.create(
        online_payment=payment,
        key=key[: OnlineRefund._meta.get_field("key").max_length],
        amount=said.amount,
        reason="Contesté auprès de la banque" if said.disputed else "Remboursé chez le prestataire",
        with_credit=False,
        asked_at=at,
    )


def _after(row: OnlineRefund, said: TakenBack) -> str:
    """The state that follows: a provider never takes back « done », nor « failed » that it said itself."""
    if row.state == State.FAILED and row.provider_reference:
        return State.FAILED
    if row.state == State.DONE and said.state is TakenBackState.PENDING:
        return State.DONE
    return STATES[said.state]


def _book(row: OnlineRefund, payment: OnlinePayment, money: Payment, at: datetime) -> Payment:
    day = timezone.localtime(at).date()
    given, reopened = paying.take_back(money, row.amount, paid_on=day, by=row.asked_by, at=at)
    if row.with_credit:
        for invoice, part in reopened:
            invoicing.credit(
                invoice, creditable.settling(invoice, part), reason=row.reason, by=row.asked_by, at=at
            )
    transaction.on_commit(partial(online_letters.tell_refund.enqueue, row.pk), robust=True)
    return given


def _put_back(row: OnlineRefund, payment: OnlinePayment, at: datetime) -> None:
    """The money did not reach the payer: it is the payment's again, for the invoices that it had paid."""
    if row.payment is None:
        raise RuntimeError("A refund that was done has no payment.")
    day = timezone.localtime(at).date()
    invoices = Invoice.objects.filter(online_parts__online_payment=payment).order_by("online_parts__pk")
    paying.undo_refund(row.payment, reference="Remboursement revenu", invoices=invoices, paid_on=day, at=at)
    transaction.on_commit(partial(online_letters.tell_refund.enqueue, row.pk), robust=True)


def _tell(row: OnlineRefund, payment: OnlinePayment) -> None:
    """What the régie has to look at."""
    held = paying.unused(payment.payment) if payment.payment else ZERO
    if held < 0:
        payment.trouble = f"La banque a repris {euros(-held)} de plus que ce paiement."
    elif row.state == State.FAILED and not row.is_dispute:
        payment.trouble = f"Le remboursement de {euros(row.amount)} a échoué : la famille ne l'a pas reçu."
    elif row.state == State.DONE:
        payment.trouble = ""


def _stand(payment: OnlinePayment) -> None:
    """Where the payment stands, of all that was taken back of it."""
    rows = list(payment.refunds.all())
    given = sum((one.amount for one in rows if one.state == State.DONE), ZERO)
    if any(one.is_dispute and one.state != State.FAILED for one in rows):
        payment.state = OnlineState.DISPUTED
    elif given >= payment.amount:
        payment.state = OnlineState.REFUNDED
    elif payment.state != OnlineState.DISPUTED or any(one.is_dispute for one in rows):
        # A dispute that an earlier version heard has no row until the bank speaks of it again.
        payment.state = OnlineState.VALIDATED
    payment.save(update_fields=["state", "trouble"])


def _words(row: OnlineRefund) -> str:
    if row.is_dispute:
        said = {State.ASKED: "ouverte", State.DONE: "perdue", State.FAILED: "gagnée ou retirée"}
        return f"Contestation de {euros(row.amount)} : {said[State(row.state)]}."
    said = {State.ASKED: "demandé à la banque", State.DONE: "fait", State.FAILED: "échoué"}
    return f"Remboursement de {euros(row.amount)} {said[State(row.state)]}."


def _catch_up(payment: OnlinePayment, asked: Sequence[OnlineRefund], at: datetime) -> None:
    """Asks for a payment's refunds by their numbers. Only one that the provider never heard of is made.

    Its idempotency keys are forgotten after a day: the same request made again then would be a second refund.
    Raises ProviderDown, and ProviderRefused when it will not make it.
    """
    provider = choosing.of(payment)
    for said in provider.taken_back(payment.charge_reference).taken_back:
        learn(payment, said, at)
    numbers = [one.pk for one in asked]
    for one in OnlineRefund.objects.filter(pk__in=numbers, state=State.ASKED, provider_reference=""):
        learn(payment, provider.refund(payment.charge_reference, one.amount, one.key), at)


def finish_refunds(report: ReconciliationReport, at: datetime) -> None:
    """Asks about the refunds that were left without an end."""
    waiting = (
        OnlineRefund.objects.filter(state=State.ASKED, asked_at__lt=at - timedelta(minutes=5))
        .exclude(key__startswith=OnlineRefund.DISPUTE)
        .select_related("online_payment__regie")
        .order_by("online_payment", "pk")
    )
    for asked in waiting[:RECONCILED_AT_ONCE]:
        payment = asked.online_payment
        try:
            _catch_up(payment, [asked], at)
        except ProviderDown:
            report.unanswered += 1
            continue
        except ProviderRefused as error:
            _refused(asked, error, at)
            report.troubles.append(f"{payment} : le remboursement de {euros(asked.amount)} est refusé.")
        asked.refresh_from_db()
        report.changed += asked.state == State.DONE
