"""Asking a provider where payments stand: after a notification, on a page, by a command.

expects(provider, at=…) -> bool                    whether its notifications may concern a payment of ours
notify(provider, notice, at=…) -> OnlinePayment    a genuine notification, applied or asked about
check(payment, at=…), abandon(payment, at=…)       asks the provider now; closes its page first
reconcile(at=…) -> ReconciliationReport            asks about every payment that may have moved
set_aside(payment, reason=…, by=…, at=…)           ends what is open, or marks as looked at what was paid
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from django.conf import settings
from django.core.cache import cache
from django.db import transaction

from billing.invoices.contracts import Contract
from billing.models import ONLINE_PAID, OnlinePayment, OnlineState, Regie
from billing.payments import strays
from billing.payments.events import (
    RECONCILED_AT_ONCE,
    Heard,
    Kind,
    OnlinePaymentRefused,
    ReconciliationReport,
    logger,
    write_down,
)
from billing.payments.hearing import hear
from billing.payments.providers import choosing
from billing.payments.providers.interface import (
    Answer,
    Notice,
    ProviderDown,
    ProviderOutcome,
    ProviderRefused,
    ProviderUnknown,
)
from billing.payments.refunding import finish_refunds
from families.models import Household, User

# A page abandoned may still have been paid in its last second, and after a card refused another one is tried
# there: providers are asked that much longer.
ASKED_AFTER_THE_END = timedelta(days=2)
# Banks take money back for so long: a provider the town has left is heard until then.
STILL_TOLD = timedelta(days=540)
ASKED_ONCE_IN_SECONDS = 2
RECONCILED_EVERY = timedelta(minutes=10)
SILENT_AT_MOST = 3  # each silence takes as long as the provider is given to answer


def expects(provider: str, *, at: datetime, regie: Regie | None = None) -> bool:
    """Whether `provider` is the régie's (None: the town's own), or was: a payment of its is open, or was
    settled not long ago."""
    if provider not in choosing.PROVIDERS or (provider == "demo" and not settings.DEMO):
        return False
    if provider == Contract(regie.code if regie else "").provider:
        return True
    ours = OnlinePayment.objects.filter(provider=provider, regie=regie)
    return (ours.open() | ours.filter(settled_at__gte=at - STILL_TOLD)).exists()


def notify(
    provider: str, notice: Notice, *, at: datetime, regie: Regie | None = None
) -> OnlinePayment | None:
    """A genuine notification by a régie's contract: applied, or answered by a question. None when it names
    none of that régie's payments.

    One without an answer is signed by nobody: its number is asked about where it is known, not twice in a
    breath, and written down otherwise while there is room.

    Raises ProviderDown when the question gets no answer: the provider will send its notification again.
    """
    if notice.answer is not None and notice.answer.reference:
        answer = notice.answer
    elif notice.charge_reference:
        found = _about_a_charge(provider, notice, regie)
        if found is None:
            _keep_stray(provider, notice, at)
            return None
        answer = found
    else:
        payment = _named(provider, notice, regie)
        if payment is None:
            _keep_stray(provider, notice, at)
            return None
        if not cache.add(f"payment-noticed-{payment.pk}", 1, ASKED_ONCE_IN_SECONDS):
            if payment.is_open:
                raise ProviderDown("The same number was asked about just now.")
            return payment
        answer = _ask(payment, at)
    raw = notice.raw | ({"answer": answer.raw} if notice.answer is None else {})
    # Who signs his notifications gives them a number.
    said = Heard(
        replace(answer, raw=raw), Kind.NOTIFICATION, notice.event_id, notice.what, notice.event_id is not None
    )
    heard = hear(provider, [said], at=at, regie=regie.pk if regie else None)
    if heard and answer.taken_back and heard[0].payment_id is None:
        raise ProviderDown("A refund came before its payment: it must be sent again.")
    return heard[0] if heard else None


def _keep_stray(provider: str, notice: Notice, at: datetime) -> None:
    if strays.room(at):
        write_down(None, Kind.NOTIFICATION, "D'aucun paiement d'ici.", at, provider=provider, raw=notice.raw)


def _named(provider: str, notice: Notice, regie: Regie | None) -> OnlinePayment | None:
    """The payment that a notification names by the number of its page."""
    if not notice.provider_reference:
        return None
    ours = OnlinePayment.objects.filter(provider=provider, regie=regie)
    return ours.filter(provider_reference=notice.provider_reference).first()


def _about_a_charge(provider: str, notice: Notice, regie: Regie | None) -> Answer | None:
    """The answer about a collected payment, under our reference; None when it is none of ours.

    The provider is asked where the notification does not say all, or speaks of a charge not heard of yet.
    """
    ours = OnlinePayment.objects.filter(provider=provider, regie=regie)
    payment = ours.filter(charge_reference=notice.charge_reference).first()
    if payment is not None and notice.answer is not None:
        return replace(notice.answer, reference=payment.reference)
    try:
        told = choosing.named(provider, regie.code if regie else "").taken_back(notice.charge_reference)
    except ProviderUnknown:
        return None
    reference = payment.reference if payment is not None else told.reference
    known = ours.filter(reference=reference).exists()
    return replace(notice.answer or told, reference=reference) if known else None


# Asking --------------------------------------------------------------------------------------------------


def _ask(payment: OnlinePayment, at: datetime) -> Answer:
    """The provider's answer about a payment, under our reference.

    Raises ProviderDown, and ProviderUnknown until its page's time is over: keys may be changed by mistake.
    """
    try:
        answer = choosing.of(payment).ask(payment.provider_reference, payment.started_at)
    except ProviderUnknown as refusal:
        if at < payment.expires_at:
            raise
        return _unknown(payment, refusal)
    return _ours(payment, answer)


def _unknown(payment: OnlinePayment, refusal: ProviderUnknown) -> Answer:
    """What the provider does not know cannot be paid there: it is abandoned, and its steps say why."""
    return Answer(payment.reference, ProviderOutcome.CANCELLED, note=str(refusal), raw={"said": str(refusal)})


def _ours(payment: OnlinePayment, answer: Answer) -> Answer:
    if answer.reference and answer.reference != payment.reference:
        raise ProviderDown("The provider answered about another payment.")
    return replace(answer, reference=payment.reference)


def check(payment: OnlinePayment, *, at: datetime) -> OnlinePayment:
    """Asks the provider where the payment stands, and writes it down. Raises ProviderDown."""
    if payment.provider_reference:
        hear(payment.provider, [Heard(_ask(payment, at), Kind.QUERY)], at=at, regie=payment.regie_id)
    else:
        _never_opened(payment, at)
    payment.refresh_from_db()
    return payment


def abandon(payment: OnlinePayment, *, at: datetime) -> OnlinePayment:
    """Closes the provider's page and lets the invoices go, unless it was paid. Raises ProviderDown."""
    if not payment.is_open:
        return payment
    if not payment.provider_reference:
        _never_opened(payment, at)
    else:
        provider = choosing.of(payment)
        try:
            answer = _ours(payment, provider.close(payment.provider_reference, payment.started_at))
        except ProviderUnknown as refusal:
            answer = _unknown(payment, refusal)
        hear(payment.provider, [Heard(answer, Kind.QUERY)], at=at, regie=payment.regie_id)
    payment.refresh_from_db()
    return payment


def _never_opened(payment: OnlinePayment, at: datetime) -> None:
    """We were stopped before the page's address came back: nobody was sent there, nobody can pay."""
    hear(
        payment.provider,
        [
            Heard(
                Answer(payment.reference, ProviderOutcome.CANCELLED, raw={"page": "never opened"}), Kind.QUERY
            )
        ],
        at=at,
        regie=payment.regie_id,
    )


def reconcile(*, at: datetime) -> ReconciliationReport:
    """Asks about every open payment, and those that ended unpaid lately: a notification may be lost.

    Running it twice, or twice at once, changes nothing more. A provider that stays silent is left alone; each
    time others are asked first, so that no payment of which it never speaks holds up the rest.
    """
    report = ReconciliationReport()
    late = OnlinePayment.objects.filter(
        state__in=[OnlineState.CANCELLED, OnlineState.REFUSED], settled_at__gte=at - ASKED_AFTER_THE_END
    ).exclude(provider_reference="")
    waiting = (OnlinePayment.objects.open() | late).select_related("regie").order_by("provider", "pk")
    by_contract: dict[tuple[str, int | None], list[OnlinePayment]] = {}
    for payment in waiting[:RECONCILED_AT_ONCE]:
        by_contract.setdefault((payment.provider, payment.regie_id), []).append(payment)
    for (provider, regie), payments in by_contract.items():
        said, before = [], {payment.pk: payment.state for payment in payments}
        silent_before = report.unanswered
        for payment in _in_turn(payments, at):
            if report.unanswered - silent_before >= SILENT_AT_MOST:
                report.unanswered += 1
                continue
            answer = _answer_or_none(payment, at, report)
            if answer is not None:
                said.append(Heard(answer, Kind.QUERY))
        report.asked += len(payments)
        for payment in hear(provider, said, at=at, regie=regie) if said else []:
            report.changed += payment.state != before[payment.pk]
            if payment.trouble:
                report.troubles.append(f"{payment} : {payment.trouble}")
    finish_refunds(report, at)
    return report


def _in_turn(payments: Sequence[OnlinePayment], at: datetime) -> Sequence[OnlinePayment]:
    """The same payments, begun with others every few minutes."""
    first = int(at.timestamp() // RECONCILED_EVERY.total_seconds()) * SILENT_AT_MOST % len(payments)
    return [*payments[first:], *payments[:first]]


def _answer_or_none(payment: OnlinePayment, at: datetime, report: ReconciliationReport) -> Answer | None:
    if not payment.provider_reference:
        if payment.started_at > at - timedelta(minutes=5):
            return None  # its page is being opened right now
        return Answer(payment.reference, ProviderOutcome.CANCELLED, raw={"page": "never opened"})
    try:
        return _ask(payment, at)
    except ProviderRefused as refusal:
        # It speaks, and says the same next time: it is not silent.
        report.troubles.append(f"{payment} : {refusal}")
        return None
    except ProviderDown as error:
        logger.warning("Payment not reconciled: %s", error)
        report.unanswered += 1
        return None


# The régie's decision ------------------------------------------------------------------------------------


def set_aside(payment: OnlinePayment, *, reason: str, by: User, at: datetime) -> OnlinePayment:
    """Ends an open payment that the régie has looked at; of one that was paid, only the mark goes.

    A « paid » that comes afterwards counts all the same. Raises OnlinePaymentRefused.
    """
    with transaction.atomic():
        Household.objects.lock([payment.household_id])
        payment.refresh_from_db()
        if payment.is_open:
            payment.state, payment.settled_at = OnlineState.CANCELLED, at
            done = "Écarté"
        elif payment.trouble and payment.state in ONLINE_PAID:
            payment.trouble = ""
            done = "Vérifié"
        else:
            raise OnlinePaymentRefused("Ce paiement est terminé : il n'y a rien à écarter.")
        payment.save(update_fields=["state", "settled_at", "trouble"])
        write_down(payment, Kind.DESK, f"{done} par {by} : {reason}", at)
    return payment
