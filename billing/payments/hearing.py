"""What a provider's verified word changes, once.

hear(provider, said, at=…) -> [OnlinePayment]      verified answers, one or a thousand
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import TypeAlias, TypedDict

from django.db import transaction
from django.db.models import OuterRef, Subquery
from django_stubs_ext import WithAnnotations

from billing.models import (
    ONLINE_OPEN,
    ONLINE_PAID,
    Invoice,
    OnlinePayment,
    OnlinePaymentInvoice,
    OnlineState,
    Payment,
    PaymentEvent,
)
from billing.payments import late_carts, online_letters, paying, strays
from billing.payments.events import Heard, Kind
from billing.payments.providers.interface import CURRENCY, Answer, ProviderOutcome
from billing.payments.refunding import learn
from families.models import Household
from portal.french.amounts import euros
from portal.reservations.acts import carts
from portal.reservations.acts.carts import Became


class StillToPay(TypedDict):
    """What is `left` to pay on the invoice of a payment's part."""

    left: Decimal


PartWithLeft: TypeAlias = "WithAnnotations[OnlinePaymentInvoice, StillToPay]"


def hear(
    provider: str, said: Sequence[Heard], *, at: datetime, regie: int | None = None
) -> list[OnlinePayment]:
    """Applies verified answers of a provider, in one transaction and a fixed number of queries. By whose
    contract they came (`regie`), of that régie's payments alone.

    Returns the payments named, changed or not. An answer that does not fit (another amount, another currency,
    another page's number) changes no money: the payment is marked to be looked at by the régie.
    """
    references = [one.answer.reference for one in said]
    known = {
        one.reference: one
        for one in OnlinePayment.objects.filter(provider=provider, regie=regie, reference__in=references)
    }
    if all(_says_nothing_new(known.get(one.answer.reference), one.answer) for one in said):
        _keep(provider, [_Change(one, known.get(one.answer.reference), at) for one in said])
        return list(known.values())
    with transaction.atomic():
        # A cart takes slots below: who holds them and books for the same household does not wait for it.
        pays_carts = any(one.cart_id is not None for one in known.values())
        Household.objects.lock([one.household_id for one in known.values()], rows_may_come=pays_carts)
        parts = _parts_of([one.pk for one in known.values()])
        payments = {row.online_payment.reference: row.online_payment for row in parts}
        shares: dict[str, list[tuple[int, Decimal]]] = {}
        left: dict[int, Decimal] = {}
        for part in parts:
            shares.setdefault(part.online_payment.reference, []).append((part.invoice_id, part.amount))
            left[part.invoice_id] = part.left
        for one in _without_parts(known.values(), payments):
            payments[one.reference], shares[one.reference] = one, []
        # The same payment is one object, however many parts or answers name it.
        changes = [_Change(one, payments.get(one.answer.reference), at) for one in said]
        _keep(provider, changes)
        credited = list({c.payment.pk: c.payment for c in changes if c.payment and c.credits}.values())
        money = paying.credit(
            [
                paying.Credit(
                    one.household_id,
                    one.amount,
                    Payment.Means.ONLINE,
                    one.reference,
                    shares[one.reference],
                    one.regie_id,
                )
                for one in credited
            ],
            left=left,
            at=at,
        )
        for payment, booked in zip(credited, money, strict=True):
            payment.payment = booked
            if payment.cart is not None and carts.pay(payment.cart, by=None, at=at) is Became.NOTHING:
                transaction.on_commit(partial(late_carts.give_back.enqueue, payment.pk), robust=True)
        changed = {c.payment.pk: c.payment for c in changes if c.payment and c.touched}
        _save(list(changed.values()))
        told = sorted({c.payment.pk for c in changes if c.payment and c.tells})
        if told:
            transaction.on_commit(partial(online_letters.tell.enqueue, told), robust=True)
    for change in changes:
        if change.payment is not None:
            for taken in change.said.answer.taken_back:
                learn(change.payment, taken, at)
    return list(payments.values())


def _without_parts(known: Iterable[OnlinePayment], found: Collection[str]) -> Sequence[OnlinePayment]:
    """Those that pay no invoice but places, as they stand under the lock; no query where there are none."""
    keys = [one.pk for one in known if one.reference not in found]
    return list(OnlinePayment.objects.filter(pk__in=keys).select_related("cart")) if keys else []


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
        and not answer.taken_back
        and answer.charge_reference in ("", payment.charge_reference)
    )


def _keep(provider: str, changes: Sequence["_Change"]) -> None:
    """Decides what each answer changes, and writes them down as steps; the same number twice is one."""
    for change in changes:
        change.decide()
    steps = [change.event(provider) for change in changes if change.worth_an_event]
    if steps:
        PaymentEvent.objects.bulk_create(steps, ignore_conflicts=True)


def _parts_of(ours: Sequence[int]) -> list[PartWithLeft]:
    """Their parts, each with its payment, in one query."""
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
            if not answer.taken_back:
                self.note = f"Rien de nouveau : {payment.get_state_display().lower()}."
            return
        payment.state, payment.trouble, self.touched = after, "", True
        if after not in ONLINE_OPEN:
            payment.settled_at = self.at
        self.credits = after == OnlineState.VALIDATED and payment.payment_id is None
        self.tells = self.credits or after == OnlineState.REFUSED
        self.note = f"{OnlineState(before).label} → {OnlineState(after).label}. {answer.note}".strip()

    def _trouble(self, payment: OnlinePayment, answer: Answer) -> str:
        """Why an answer cannot be about this payment, in words for the régie."""
        number = answer.provider_reference
        if number and payment.provider_reference and number != payment.provider_reference:
            return "La réponse porte le numéro d'une autre page de paiement."
        if answer.outcome not in (ProviderOutcome.PAID, ProviderOutcome.PENDING):
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
            if self.said.answer.outcome is ProviderOutcome.PAID:
                payment.state = OnlineState.PENDING  # somebody paid something: its invoices wait

    @property
    def worth_an_event(self) -> bool:
        """Asked every few minutes, « nothing new » is not a step; nor is it what anybody may make us ask."""
        if self.touched:
            return True
        return self.said.kind != Kind.QUERY and (self.said.proven or strays.room(self.at))

    def event(self, provider: str) -> PaymentEvent:
        what = " – ".join(words for words in (self.said.what, self.note) if words)
        return PaymentEvent(
            online_payment=self.payment,
            provider=provider,
            kind=self.said.kind,
            event_id=self.said.event_id,
            note=what[:300],
            raw=self.said.answer.raw,
            at=self.at,
        )


def _next(state: str, answer: Answer) -> str:
    """The state after an answer. Money that came stays; what comes late or twice changes nothing.

    What is taken back of it is `refunding`'s to say.
    """
    if state in ONLINE_PAID:
        return state
    states: dict[ProviderOutcome | None, OnlineState] = {
        ProviderOutcome.PAID: OnlineState.VALIDATED,
        ProviderOutcome.REFUSED: OnlineState.REFUSED,
        ProviderOutcome.CANCELLED: OnlineState.CANCELLED,
        ProviderOutcome.PENDING: OnlineState.PENDING,
    }
    after = states.get(answer.outcome)
    if after is None or after == OnlineState.VALIDATED:
        return after or state
    if state in ONLINE_OPEN or (state == OnlineState.CANCELLED and after == OnlineState.PENDING):
        return after
    return state
