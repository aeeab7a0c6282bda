"""The only writer of online payments: what a provider's verified word changes, once.

    start(household, wanted, by=…, at=…) -> OnlinePayment      opens the provider's page for some invoices
    hear(said, at=…) -> [OnlinePayment]                        verified answers, one or a thousand
    check(payment, at=…), abandon(payment, at=…)               asks the provider now; closes its page first
    refund(payment, amount, …) -> OnlineRefund                 through the provider, with a credit note
    reconcile(at=…) -> Report                                  asks about every payment that may have moved

No word of a browser comes here: a return from the provider's page only makes us ask. Every change is made
under the lock of the household's row, so that desks, tabs and notifications follow one another; a thing said
twice, or late, changes nothing the second time. Calls to a provider are never made inside a transaction.
"""

import logging
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery, Sum
from django.urls import reverse
from django.utils import timezone
from django_tasks import task

from billing.invoices import invoicing
from billing.models import (
    ONLINE_OPEN,
    ONLINE_PAID,
    BillingSettings,
    Debit,
    Invoice,
    OnlinePayment,
    OnlinePaymentInvoice,
    OnlineRefund,
    OnlineState,
    Payment,
    PaymentEvent,
    PaymentState,
)
from billing.payments import (
    online_letters,
    paying,
)
from billing.payments.providers import choosing
from billing.payments.providers.interface import (
    CURRENCY,
    Answer,
    Item,
    Notice,
    Opened,
    Order,
    Outcome,
    Provider,
    ProviderDown,
    ProviderRefused,
    Refunded,
)
from billing.pricing import euros
from families.models import Household, User

logger = logging.getLogger(__name__)

ZERO = Decimal("0.00")
# No 0, O, 1, I: a reference may be read over the telephone.
LETTERS = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
# A page abandoned may still have been paid in its last second: providers are asked that much longer.
ASKED_AFTER_THE_END = timedelta(days=2)
RECONCILED_AT_ONCE = 1000
SILENT_AT_MOST = 3  # each silence takes as long as the provider is given to answer
LOOK_AFTER_THE_END, LOOK_EVERY = timedelta(minutes=1), timedelta(hours=1)
Kind = PaymentEvent.Kind


class PaymentRefused(Exception):
    """Nothing was started and nothing will be charged; the message says why in French."""


class UnderWay(PaymentRefused):
    """One of the invoices is being paid already, in `payment`."""

    def __init__(self, payment: OnlinePayment) -> None:
        super().__init__("Une de ces factures est déjà en cours de paiement.")
        self.payment = payment


@dataclass(frozen=True)
class Heard:
    """A verified answer about one of our payments, and how it came."""

    answer: Answer
    kind: str
    event_id: str | None = None
    what: str = ""


# Starting ------------------------------------------------------------------------------------------------


def to_pay(household: Household) -> list[Invoice]:
    """The household's unpaid invoices, oldest first, with `left`, and with what `on_their_way` says."""
    rows = Invoice.objects.with_balance().filter(household=household, left__gt=0)
    return list(on_their_way(rows).order_by("due_on", "issued_at", "sequence"))


def _shares() -> QuerySet[OnlinePaymentInvoice]:
    return OnlinePaymentInvoice.objects.filter(invoice=OuterRef("pk"), online_payment__state__in=ONLINE_OPEN)


def _debits() -> QuerySet[Debit]:
    return Debit.objects.filter(invoice=OuterRef("pk"), payment__state=PaymentState.PENDING)


def is_on_its_way() -> Q:
    """Whether an invoice is being paid at a bank's page or by a debit asked for, for an annotation."""
    return Exists(_shares()) | Exists(_debits())


def on_their_way(rows: QuerySet[Invoice]) -> QuerySet[Any]:
    """Invoices, those on their way to be paid saying so: `under_way` and `reference` (an open payment's),
    `debited_on` (a debit's day)."""
    part, debit = _shares(), _debits()
    return rows.annotate(
        under_way=Subquery(part.values("online_payment")[:1]),
        reference=Subquery(part.values("online_payment__reference")[:1]),
        debited_on=Subquery(debit.values("file__collected_on")[:1]),
    )


def start(
    household: Household, wanted: Mapping[int, Decimal | None], *, by: User | None, at: datetime
) -> OnlinePayment:
    """Opens the provider's page for invoices (by pk); None pays what is left, an amount a part of it.

    Raises PaymentRefused, with nothing charged, and UnderWay when one of them is being paid elsewhere.
    """
    provider = choosing.current()
    if provider is None:
        raise PaymentRefused("Le paiement en ligne n'est pas proposé par votre mairie.")
    with transaction.atomic():
        _lock([household.pk])
        parts = _parts(household, wanted)
        amount = sum((share for _, share in parts), ZERO)
        if amount < provider.minimum:
            raise PaymentRefused(f"Le paiement en ligne commence à {euros(provider.minimum)}.")
        if amount > provider.maximum:
            raise PaymentRefused(
                f"Le paiement en ligne s'arrête à {euros(provider.maximum)} : payez en deux fois."
            )
        payment = OnlinePayment.objects.create(
            reference=_reference(at),
            household=household,
            provider=provider.name,
            amount=amount,
            email=by.email if by else "",
            started_by=by,
            started_at=at,
            expires_at=at + timedelta(hours=1),
        )
        OnlinePaymentInvoice.objects.bulk_create(
            OnlinePaymentInvoice(online_payment=payment, invoice=invoice, amount=share)
            for invoice, share in parts
        )
    return _open(provider, payment, at)


def _parts(household: Household, wanted: Mapping[int, Decimal | None]) -> list[tuple[Invoice, Decimal]]:
    """The invoices and what of each is paid; the caller holds the household's lock."""
    found = {invoice.pk: invoice for invoice in Invoice.objects.with_balance().filter(household=household)}
    if not wanted:
        raise PaymentRefused("Choisissez au moins une facture.")
    if set(wanted) - set(found):
        raise PaymentRefused("Une de ces factures n'est pas la vôtre.")
    open_part = (
        OnlinePaymentInvoice.objects.filter(invoice__in=wanted, online_payment__state__in=ONLINE_OPEN)
        .select_related("online_payment")
        .first()
    )
    if open_part is not None:
        raise UnderWay(open_part.online_payment)
    debited = set(
        Debit.objects.filter(invoice__in=wanted, payment__state=PaymentState.PENDING).values_list(
            "invoice", flat=True
        )
    )
    in_parts = BillingSettings.current().part_payment
    parts = []
    for pk, asked in wanted.items():
        invoice = found[pk]
        if invoice.left <= 0:
            raise PaymentRefused(f"La facture n° {invoice.number} n'est plus à payer.")
        if pk in debited:
            raise PaymentRefused(
                f"La facture n° {invoice.number} est déjà confiée à la banque pour prélèvement."
            )
        share = invoice.left if asked is None else asked
        if share != invoice.left and not in_parts:
            raise PaymentRefused("Votre mairie demande de payer chaque facture en entier.")
        if share <= 0 or share != share.quantize(ZERO) or share > invoice.left:
            raise PaymentRefused(
                f"Sur la facture n° {invoice.number}, payez entre 0,01 € et {euros(invoice.left)}."
            )
        parts.append((invoice, share))
    return parts


def _open(provider: Provider, payment: OnlinePayment, at: datetime) -> OnlinePayment:
    """Asks for the page. When that fails nobody has its address, so nobody can pay there: it is abandoned."""
    order = _order(payment)
    try:
        opened = provider.open(order)
    except (ProviderDown, ProviderRefused) as error:
        logger.warning("Payment page not opened: %s", error)
        with transaction.atomic():
            _lock([payment.household_id])
            OnlinePayment.objects.filter(pk=payment.pk, state=OnlineState.STARTED).update(
                state=OnlineState.CANCELLED, settled_at=at
            )
            _note(payment, Kind.START, f"La page ne s'est pas ouverte : {error}", at)
        if isinstance(error, ProviderRefused):
            raise PaymentRefused(f"{error} Rien n'a été débité.") from error
        raise PaymentRefused(
            "Le service de paiement ne répond pas. Rien n'a été débité : réessayez dans quelques minutes."
        ) from error
    return _opened(payment, opened, at)


def _opened(payment: OnlinePayment, opened: Opened, at: datetime) -> OnlinePayment:
    with transaction.atomic():
        _lock([payment.household_id])
        payment.provider_reference = opened.provider_reference
        payment.url, payment.expires_at = opened.url, opened.expires_at
        payment.save(update_fields=["provider_reference", "url", "expires_at"])
        _note(payment, Kind.START, "Page de paiement ouverte.", at, raw=opened.raw)
        transaction.on_commit(
            partial(_look_at, payment.pk, opened.expires_at + LOOK_AFTER_THE_END), robust=True
        )
    payment.refresh_from_db()
    return payment


def _look_at(payment_id: int, moment: datetime) -> None:
    """Has the worker ask about a payment later; where tasks cannot wait, `reconcile_payments` does."""
    if look_again.get_backend().supports_defer:
        look_again.using(run_after=moment).enqueue(payment_id)


@task()
def look_again(payment_id: int) -> None:
    """Asks about a payment whose page has expired, or whose bank takes its time, until it is answered."""
    payment = OnlinePayment.objects.get(pk=payment_id)
    if not payment.is_open:
        return
    now = timezone.now()
    try:
        check(payment, at=now)
    except (ProviderDown, ProviderRefused) as error:
        logger.warning("A payment was not answered: %s", error)
    if payment.is_open and not payment.trouble:
        _look_at(payment.pk, now + LOOK_EVERY)


def _order(payment: OnlinePayment) -> Order:
    portal = settings.PORTAL_URL.rstrip("/")
    return Order(
        reference=payment.reference,
        items=[
            Item(f"Facture n° {part.invoice.number}", part.amount, part.invoice.number)
            for part in payment.parts.select_related("invoice")
        ],
        email=payment.email,
        started_at=payment.started_at,
        return_url=portal + reverse("billing:payment_return", args=[payment.reference]),
        notify_url=portal + reverse("billing:payment_notification", args=[payment.provider]),
    )


def _reference(at: datetime) -> str:
    return f"P{timezone.localtime(at):%y}" + "".join(secrets.choice(LETTERS) for _ in range(13))


def _lock(households: Sequence[int]) -> None:
    list(Household.objects.select_for_update().filter(pk__in=households).order_by("pk").values_list("pk"))


def _note(
    payment: OnlinePayment | None,
    kind: str,
    note: str,
    at: datetime,
    *,
    provider: str = "",
    raw: object = None,
    event_id: str | None = None,
) -> None:
    PaymentEvent.objects.bulk_create(
        [
            PaymentEvent(
                online_payment=payment,
                provider=payment.provider if payment else provider,
                kind=kind,
                note=note[:300],
                raw=raw or {},
                event_id=event_id,
                at=at,
            )
        ],
        ignore_conflicts=True,
    )


# Hearing -------------------------------------------------------------------------------------------------


def notify(provider: str, notice: Notice, *, at: datetime) -> OnlinePayment | None:
    """A genuine notification: applied, or answered by a question. None when it names none of our payments.

    Raises ProviderDown when the question gets no answer: the provider will send its notification again.
    """
    if notice.answer is not None and notice.answer.reference:
        answer = notice.answer
    else:
        payment = _named(provider, notice)
        if payment is None:
            _note(None, Kind.NOTIFICATION, "D'aucun paiement d'ici.", at, provider=provider, raw=notice.raw)
            return None
        if notice.answer is None:
            answer = _ask(payment)
        else:
            answer = replace(notice.answer, reference=payment.reference)
    raw = notice.raw | ({"answer": answer.raw} if notice.answer is None else {})
    said = Heard(replace(answer, raw=raw), Kind.NOTIFICATION, notice.event_id, notice.what)
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


def hear(provider: str, said: Sequence[Heard], *, at: datetime) -> list[OnlinePayment]:
    """Applies verified answers of a provider, in one transaction and a fixed number of queries.

    Returns the payments named, changed or not. An answer that does not fit (another amount, another currency,
    another page's number) changes no money: the payment is marked to be looked at by the régie.
    """
    references = [one.answer.reference for one in said]
    known = {
        one.reference: one
        for one in OnlinePayment.objects.filter(provider=provider, reference__in=references)
    }
    if all(_says_nothing_new(known.get(one.answer.reference), one.answer) for one in said):
        _keep(provider, [_Change(one, known.get(one.answer.reference), at) for one in said])
        return list(known.values())
    with transaction.atomic():
        _lock([one.household_id for one in known.values()])
        parts = _parts_of([one.pk for one in known.values()])
        payments = {row.online_payment.reference: row.online_payment for row in parts}
        shares: dict[str, list[tuple[int, Decimal]]] = {}
        left: dict[int, Decimal] = {}
        for part in parts:
            shares.setdefault(part.online_payment.reference, []).append((part.invoice_id, part.amount))
            left[part.invoice_id] = part.left
        # The same payment is one object, however many parts or answers name it.
        changes = [_Change(one, payments.get(one.answer.reference), at) for one in said]
        _keep(provider, changes)
        credited = list({c.payment.pk: c.payment for c in changes if c.payment and c.credits}.values())
        money = paying.credit(
            [
                paying.Credit(
                    one.household_id, one.amount, Payment.Means.ONLINE, one.reference, shares[one.reference]
                )
                for one in credited
            ],
            left=left,
            at=at,
        )
        for payment, booked in zip(credited, money, strict=True):
            payment.payment = booked
        changed = {c.payment.pk: c.payment for c in changes if c.payment and c.touched}
        _save(list(changed.values()))
        told = sorted({c.payment.pk for c in changes if c.payment and c.tells})
        if told:
            transaction.on_commit(partial(online_letters.tell.enqueue, told), robust=True)
    for change in changes:
        if change.payment is not None and change.said.answer.refunded:
            _refunded_elsewhere(change.payment, change.said.answer.refunded, at)
    return list(payments.values())


def _save(changed: Sequence[OnlinePayment]) -> None:
    """In one query; one alone by the shorter way."""
    fields = ["state", "provider_reference", "charge_reference", "settled_at", "trouble", "payment"]
    if len(changed) == 1:
        changed[0].save(update_fields=fields)
    elif changed:
        OnlinePayment.objects.bulk_update(changed, fields)


def _says_nothing_new(payment: OnlinePayment | None, answer: Answer) -> bool:
    """Whether it can change nothing, read without a lock: money that came stays, whatever is said of it."""
    return payment is None or (
        payment.state in ONLINE_PAID
        and answer.disputed is None
        and not answer.refunded
        and answer.charge_reference in ("", payment.charge_reference)
    )


def _keep(provider: str, changes: Sequence["_Change"]) -> None:
    """Decides what each answer changes, and writes them down as steps; the same number twice is one."""
    for change in changes:
        change.decide()
    steps = [change.event(provider) for change in changes if change.worth_an_event]
    if steps:
        PaymentEvent.objects.bulk_create(steps, ignore_conflicts=True)


def _parts_of(ours: Sequence[int]) -> list[OnlinePaymentInvoice]:
    """Their parts, each with its payment and what is `left` to pay on its invoice, in one query."""
    balance = Invoice.objects.with_balance().filter(pk=OuterRef("invoice")).values("left")
    found = list(
        OnlinePaymentInvoice.objects.filter(online_payment__in=ours)
        .select_related("online_payment")
        .annotate(left=Subquery(balance))
        .order_by("pk")
    )
    one_each: dict[int, OnlinePayment] = {}
    for part in found:
        part.online_payment = one_each.setdefault(part.online_payment_id, part.online_payment)
    return found


@dataclass
class _Change:
    """What one answer makes of one payment."""

    said: Heard
    payment: OnlinePayment | None
    at: datetime
    note: str = ""
    touched: bool = False
    credits: bool = False
    tells: bool = False

    def decide(self) -> None:
        answer, payment = self.said.answer, self.payment
        if payment is None:
            self.note = "D'aucun paiement d'ici."
            return
        trouble = self._trouble(payment, answer)
        if trouble:
            self._keep_for_the_desk(payment, trouble)
            return
        before = payment.state
        after = _next(before, answer)
        if answer.charge_reference and answer.charge_reference != payment.charge_reference:
            payment.charge_reference, self.touched = answer.charge_reference, True
        if answer.provider_reference and not payment.provider_reference:
            payment.provider_reference, self.touched = answer.provider_reference, True
        if after == before:
            self.note = f"Rien de nouveau : {payment.get_state_display().lower()}."
            return
        payment.state, payment.trouble, self.touched = after, "", True
        if after not in ONLINE_OPEN:
            payment.settled_at = self.at
        self.credits = after == OnlineState.VALIDATED and payment.payment_id is None
        self.tells = self.credits or after == OnlineState.REFUSED
        self.note = f"{OnlineState(before).label} → {OnlineState(after).label}."

    def _trouble(self, payment: OnlinePayment, answer: Answer) -> str:
        """Why an answer cannot be about this payment, in words for the régie."""
        number = answer.provider_reference
        if number and payment.provider_reference and number != payment.provider_reference:
            return "La réponse porte le numéro d'une autre page de paiement."
        if answer.outcome not in (Outcome.PAID, Outcome.PENDING):
            return ""
        if answer.currency != CURRENCY:
            return f"La banque annonce un paiement en {answer.currency[:10]}."
        if answer.amount != payment.amount:
            said = "sans montant" if answer.amount is None else f"de {euros(answer.amount)}"
            return f"La banque annonce un paiement {said} au lieu de {euros(payment.amount)}."
        return ""

    def _keep_for_the_desk(self, payment: OnlinePayment, trouble: str) -> None:
        self.note = trouble
        set_aside_before = payment.state == OnlineState.CANCELLED and payment.trouble == trouble
        if payment.state not in ONLINE_PAID and not set_aside_before:
            payment.trouble, self.touched = trouble, True
            if self.said.answer.outcome is Outcome.PAID:
                payment.state = OnlineState.PENDING  # somebody paid something: its invoices wait

    @property
    def worth_an_event(self) -> bool:
        """Asked every few minutes, « nothing new » is not a step."""
        return self.said.kind != Kind.QUERY or self.touched

    def event(self, provider: str) -> PaymentEvent:
        what = f"{self.said.what} – " if self.said.what else ""
        return PaymentEvent(
            online_payment=self.payment,
            provider=provider,
            kind=self.said.kind,
            event_id=self.said.event_id,
            note=f"{what}{self.note}"[:300],
            raw=self.said.answer.raw,
            at=self.at,
        )


def _next(state: str, answer: Answer) -> str:
    """The state after an answer. Money that came stays; what comes late or twice changes nothing."""
    if state in ONLINE_PAID:
        if answer.disputed is None or state == OnlineState.REFUNDED:
            return state
        return OnlineState.DISPUTED if answer.disputed else OnlineState.VALIDATED
    after = {
        Outcome.PAID: OnlineState.VALIDATED,
        Outcome.REFUSED: OnlineState.REFUSED,
        Outcome.CANCELLED: OnlineState.CANCELLED,
        Outcome.PENDING: OnlineState.PENDING,
    }.get(answer.outcome)
    if after is None or after == OnlineState.VALIDATED:
        return after or state
    if state in ONLINE_OPEN or (state == OnlineState.CANCELLED and after == OnlineState.PENDING):
        return after
    return state


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
        [Heard(Answer(payment.reference, Outcome.CANCELLED, raw={"page": "never opened"}), Kind.QUERY)],
        at=at,
    )


@dataclass
class Report:
    """What a reconciliation found. `troubles` are French sentences."""

    asked: int = 0
    changed: int = 0
    unanswered: int = 0
    troubles: list[str] = field(default_factory=list)


def reconcile(*, at: datetime) -> Report:
    """Asks about every open payment, and those abandoned lately; repairs what a lost notification left.

    Running it twice, or twice at once, changes nothing more. A provider that stays silent is left alone.
    """
    report = Report()
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
    _finish_refunds(report, at)
    return report


def _answer_or_none(payment: OnlinePayment, at: datetime, report: Report) -> Answer | None:
    if not payment.provider_reference:
        if payment.started_at > at - timedelta(minutes=5):
            return None  # its page is being opened right now
        return Answer(payment.reference, Outcome.CANCELLED, raw={"page": "never opened"})
    try:
        return _ask(payment)
    except (ProviderDown, ProviderRefused) as error:
        logger.warning("Payment not reconciled: %s", error)
        report.unanswered += 1
        return None


# Refunding -----------------------------------------------------------------------------------------------


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

    With a credit note, the invoices paid stay settled; without, they are due again. Raises PaymentRefused.
    """
    provider = choosing.named(payment.provider)
    if not provider.refunds_online:
        raise PaymentRefused(
            f"{payment.get_provider_display()} ne rembourse pas en ligne : remboursez par virement, puis"
            " notez-le au guichet."
        )
    if amount <= 0 or amount != amount.quantize(ZERO):
        raise PaymentRefused("Indiquez un montant positif, au centime près.")
    if not reason.strip():
        raise PaymentRefused("Indiquez le motif du remboursement.")
    with transaction.atomic():
        _lock([payment.household_id])
        asked = OnlineRefund.objects.filter(key=key).first()
        if asked is None:
            most = refundable(payment)
            if amount > most:
                raise PaymentRefused(f"Ce paiement peut être remboursé de {euros(most)} au plus.")
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
            raise PaymentRefused("Ce formulaire est celui d'un autre paiement.")
    if asked.state == OnlineRefund.State.ASKED:
        try:
            answer = provider.refund(payment.charge_reference, asked.amount, asked.key)
        except ProviderRefused as error:
            _end_refund(asked.pk, Refunded(done=False, failed=True, raw={"error": str(error)}), at)
            raise PaymentRefused(f"Le remboursement est refusé : {error}") from error
        except ProviderDown as error:
            raise PaymentRefused(
                "La banque ne répond pas. Le remboursement est noté et sera demandé à nouveau tout seul."
            ) from error
        _end_refund(asked.pk, answer, at)
    asked.refresh_from_db()
    return asked


def _end_refund(refund_id: int, answer: Refunded, at: datetime) -> None:
    """Books a refund the provider has answered, once."""
    household = OnlineRefund.objects.values_list("online_payment__household", flat=True).get(pk=refund_id)
    with transaction.atomic():
        _lock([household])
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
        _note(payment, Kind.REFUND, f"Remboursement de {euros(asked.amount)} {words}.", at, raw=answer.raw)


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


def _refunded_elsewhere(payment: OnlinePayment, total: Decimal, at: datetime) -> None:
    """More was given back than we asked: on the provider's pages, or by a dispute lost. Invoices reopen."""
    with transaction.atomic():
        _lock([payment.household_id])
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


def _finish_refunds(report: Report, at: datetime) -> None:
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


# The régie's decision ------------------------------------------------------------------------------------


def set_aside(payment: OnlinePayment, *, reason: str, by: User, at: datetime) -> OnlinePayment:
    """Ends a payment that the régie has looked at and settled with the provider. Raises PaymentRefused."""
    with transaction.atomic():
        _lock([payment.household_id])
        payment.refresh_from_db()
        if not payment.trouble or not payment.is_open:
            raise PaymentRefused("Seul un paiement à vérifier peut être écarté.")
        payment.state, payment.settled_at = OnlineState.CANCELLED, at
        payment.save(update_fields=["state", "settled_at"])
        _note(payment, Kind.DESK, f"Écarté par {by} : {reason}", at)
    return payment
