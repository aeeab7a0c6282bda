"""Asking a provider where payments stand: after a notification, on a page, by a command.

expects(provider, at=…) -> bool                    whether its notifications may concern a payment of ours
notify(provider, notice, at=…) -> OnlinePayment    a genuine notification, applied or asked about
check(payment, at=…), abandon(payment, at=…)       asks the provider now; closes its page first
reconcile(at=…) -> ReconciliationReport            asks about every payment that may have moved
set_aside(payment, reason=…, by=…, at=…)           ends what the régie settled with the provider itself
"""

from dataclasses import replace
from datetime import datetime, timedelta

from django.conf import settings
from django.core.cache import cache
from django.db import transaction

from billing.models import OnlinePayment, OnlineState
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
)
from billing.payments.refunding import finish_refunds
from families.models import Household, User

# A page abandoned may still have been paid in its last second: providers are asked that much longer.
ASKED_AFTER_THE_END = timedelta(days=2)
# Banks take money back for so long: a provider the town has left is heard until then.
STILL_TOLD = timedelta(days=540)
ASKED_ONCE_IN_SECONDS = 2
SILENT_AT_MOST = 3  # each silence takes as long as the provider is given to answer


def expects(provider: str, *, at: datetime) -> bool:
    """Whether `provider` is the town's, or was: a payment of its is open, or was settled not long ago."""
    if provider not in choosing.PROVIDERS or (provider == "demo" and not settings.DEMO):
        return False
    if provider == settings.PAYMENT_PROVIDER:
        return True
    ours = OnlinePayment.objects.filter(provider=provider)
    return (ours.open() | ours.filter(settled_at__gte=at - STILL_TOLD)).exists()


def notify(provider: str, notice: Notice, *, at: datetime) -> OnlinePayment | None:
    """A genuine notification: applied, or answered by a question. None when it names none of our payments.

    One without an answer is signed by nobody: its number is asked about where it is known, not twice in a
    breath, and written down otherwise while there is room.

    Raises ProviderDown when the question gets no answer: the provider will send its notification again.
    """
    if notice.answer is not None and notice.answer.reference:
        answer = notice.answer
    else:
        payment = _named(provider, notice)
        if payment is None:
            if strays.room(at):
                write_down(
                    None, Kind.NOTIFICATION, "D'aucun paiement d'ici.", at, provider=provider, raw=notice.raw
                )
            return None
        if notice.answer is None:
            if not cache.add(f"payment-noticed-{payment.pk}", 1, ASKED_ONCE_IN_SECONDS):
                if payment.is_open:
                    raise ProviderDown("The same number was asked about just now.")
                return payment
            answer = _ask(payment)
        else:
            answer = replace(notice.answer, reference=payment.reference)
    raw = notice.raw | ({"answer": answer.raw} if notice.answer is None else {})
    said = Heard(
        replace(answer, raw=raw), Kind.NOTIFICATION, notice.event_id, notice.what, notice.answer is not None
    )
    heard = hear(provider, [said], at=at)
    if heard and answer.refunded and heard[0].payment_id is None:
        raise ProviderDown("A refund came before its payment: it must be sent again.")
    return heard[0] if heard else None


def _named(provider: str, notice: Notice) -> OnlinePayment | None:
    """The payment that a notification names by a reference of the provider's."""
    rows = OnlinePayment.objects.filter(provider=provider)
    if notice.provider_reference:
        return rows.filter(provider_reference=notice.provider_reference).first()
    if notice.charge_reference:
        return rows.filter(charge_reference=notice.charge_reference).first()
    return None


# Asking --------------------------------------------------------------------------------------------------


def _ask(payment: OnlinePayment) -> Answer:
    """The provider's answer about a payment, under our reference. Raises ProviderDown."""
    answer = choosing.named(payment.provider).ask(payment.provider_reference, payment.started_at)
    if answer.reference and answer.reference != payment.reference:
        raise ProviderDown("The provider answered about another payment.")
    return replace(answer, reference=payment.reference)


def check(payment: OnlinePayment, *, at: datetime) -> OnlinePayment:
    """Asks the provider where the payment stands, and writes it down. Raises ProviderDown."""
    if payment.provider_reference:
        hear(payment.provider, [Heard(_ask(payment), Kind.QUERY)], at=at)
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
        provider = choosing.named(payment.provider)
        answer = provider.close(payment.provider_reference, payment.started_at)
        if answer.reference and answer.reference != payment.reference:
            raise ProviderDown("The provider answered about another payment.")
        hear(payment.provider, [Heard(replace(answer, reference=payment.reference), Kind.QUERY)], at=at)
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
    )


def reconcile(*, at: datetime) -> ReconciliationReport:
    """Asks about every open payment, and those abandoned lately; repairs what a lost notification left.

    Running it twice, or twice at once, changes nothing more. A provider that stays silent is left alone.
    """
    report = ReconciliationReport()
    late = OnlinePayment.objects.filter(
        state=OnlineState.CANCELLED, settled_at__gte=at - ASKED_AFTER_THE_END
    ).exclude(provider_reference="")
    waiting = (OnlinePayment.objects.open() | late).order_by("provider", "pk")
    by_provider: dict[str, list[OnlinePayment]] = {}
    for payment in waiting[:RECONCILED_AT_ONCE]:
        by_provider.setdefault(payment.provider, []).append(payment)
    for provider, payments in by_provider.items():
        said, before = [], {payment.pk: payment.state for payment in payments}
        silent_before = report.unanswered
        for payment in payments:
            if report.unanswered - silent_before >= SILENT_AT_MOST:
                report.unanswered += 1
                continue
            answer = _answer_or_none(payment, at, report)
            if answer is not None:
                said.append(Heard(answer, Kind.QUERY))
        report.asked += len(payments)
        for payment in hear(provider, said, at=at) if said else []:
            report.changed += payment.state != before[payment.pk]
            if payment.trouble:
                report.troubles.append(f"{payment} : {payment.trouble}")
    finish_refunds(report, at)
    return report


def _answer_or_none(payment: OnlinePayment, at: datetime, report: ReconciliationReport) -> Answer | None:
    if not payment.provider_reference:
        if payment.started_at > at - timedelta(minutes=5):
            return None  # its page is being opened right now
        return Answer(payment.reference, ProviderOutcome.CANCELLED, raw={"page": "never opened"})
    try:
        return _ask(payment)
    except (ProviderDown, ProviderRefused) as error:
        logger.warning("Payment not reconciled: %s", error)
        report.unanswered += 1
        return None


# The régie's decision ------------------------------------------------------------------------------------


def set_aside(payment: OnlinePayment, *, reason: str, by: User, at: datetime) -> OnlinePayment:
    """Ends a payment that the régie has looked at and settled with the provider.

    Raises OnlinePaymentRefused.
    """
    with transaction.atomic():
        Household.objects.lock([payment.household_id])
        payment.refresh_from_db()
        if not payment.trouble or not payment.is_open:
            raise OnlinePaymentRefused("Seul un paiement à vérifier peut être écarté.")
        payment.state, payment.settled_at = OnlineState.CANCELLED, at
        payment.save(update_fields=["state", "settled_at"])
        write_down(payment, Kind.DESK, f"Écarté par {by} : {reason}", at)
    return payment
