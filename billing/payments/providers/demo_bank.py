"""A bank for demonstrations and tests, inside the portal: its page accepts, refuses or leaves it pending.

It behaves as a real one: it keeps its own books (DemoBankOrder), signs its notifications, answers questions,
and lets a page expire. It never runs outside PORTAL_DEMO.
"""

import json
import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal

from django.core import signing
from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from billing.invoices.contracts import Contract
from billing.models import DemoBankOrder
from billing.payments.providers.interface import (
    Answer,
    Collected,
    Notice,
    NotificationRefused,
    OpenedPage,
    PaymentOrder,
    ProviderOutcome,
    ProviderRefused,
    ProviderUnknown,
    TakenBack,
    TakenBackState,
)

PAGE_LIVES = timedelta(minutes=15)
SIGNED_FOR = timedelta(minutes=5)
HEADER = "X-Demo-Signature"
SALT = "billing.demo-bank"


class DemoBank:
    name = "demo"
    minimum = Decimal("0.01")
    maximum = Decimal(99999)
    refunds_online = True

    def __init__(self, contract: Contract) -> None:
        self._contract = contract

    def open(self, order: PaymentOrder) -> OpenedPage:
        found, _ = DemoBankOrder.objects.get_or_create(
            reference=order.reference,
            defaults={
                "token": secrets.token_urlsafe(20),
                "amount": order.amount,
                "label": order.label[:200],
                "return_url": order.return_url,
                "created_at": order.started_at,
                "expires_at": order.started_at + PAGE_LIVES,
            },
        )
        return OpenedPage(
            found.token,
            reverse("billing:demo_bank", args=[found.token]),
            found.expires_at,
            {"token": found.token},
        )

    def read_notification(self, headers: Mapping[str, str], body: bytes) -> Notice | None:
        try:
            said = signing.TimestampSigner(salt=SALT).unsign(headers.get(HEADER, ""), max_age=SIGNED_FOR)
        except signing.SignatureExpired:
            raise NotificationRefused("Signature trop ancienne.") from None
        except signing.BadSignature:
            raise NotificationRefused("Signature absente ou fausse.") from None
        if said != body.decode(errors="replace"):
            raise NotificationRefused("La signature est celle d'un autre message.")
        try:
            event = json.loads(body)
            order = DemoBankOrder.objects.filter(token=event["token"]).first()
        except (ValueError, KeyError, TypeError):
            raise NotificationRefused("Message illisible.") from None
        return (
            None if order is None else Notice(event["id"], "réponse de la banque", _answer(order), raw=event)
        )

    def ask(self, provider_reference: str, started_at: datetime) -> Answer:
        order = DemoBankOrder.objects.filter(token=provider_reference).first()
        if order is None:
            raise ProviderUnknown("La banque de démonstration ne connaît pas ce paiement.")
        return _answer(order)

    def close(self, provider_reference: str, started_at: datetime) -> Answer:
        DemoBankOrder.objects.filter(token=provider_reference, outcome=DemoBankOrder.Outcome.OPEN).update(
            outcome=DemoBankOrder.Outcome.CANCELLED
        )
        return self.ask(provider_reference, started_at)

    def refund(self, charge_reference: str, amount: Decimal, key: str) -> TakenBack:
        with transaction.atomic():
            order = DemoBankOrder.objects.select_for_update().get(token=charge_reference)
            if amount > order.amount - order.refunded:
                raise ProviderRefused("La banque ne rembourse pas plus que ce qu'elle a encaissé.")
            order.refunded += amount
            order.save(update_fields=["refunded"])
        raw = {"key": key, "amount": str(amount)}
        return TakenBack(key, amount, TakenBackState.DONE, key, raw=raw)

    def taken_back(self, charge_reference: str) -> Answer:
        """It gives back at once or not at all, and keeps a sum: there is nothing to ask about later."""
        order = DemoBankOrder.objects.filter(token=charge_reference).first()
        return Answer(order.reference if order else "", outcome=None, charge_reference=charge_reference)

    def collected(self, first: datetime, last: datetime) -> list[Collected] | None:
        return [
            Collected(order.reference, order.amount, order.token)
            for order in DemoBankOrder.objects.filter(
                outcome=DemoBankOrder.Outcome.PAID, created_at__gte=first, created_at__lt=last
            )
        ]


def _answer(order: DemoBankOrder) -> Answer:
    outcome = ProviderOutcome(order.outcome)
    if outcome is ProviderOutcome.OPEN and order.expires_at <= timezone.now():
        outcome = ProviderOutcome.CANCELLED
    return Answer(
        order.reference,
        outcome,
        order.amount,
        provider_reference=order.token,
        charge_reference=order.token,
        raw={"token": order.token, "outcome": outcome.value, "amount": str(order.amount)},
    )


def press(order: DemoBankOrder, outcome: str, at: datetime) -> bool:
    """A button of the bank's page. Returns False when the order was answered before, or has expired."""
    before = [DemoBankOrder.Outcome.OPEN, DemoBankOrder.Outcome.PENDING]
    if outcome == DemoBankOrder.Outcome.CANCELLED:
        before = [DemoBankOrder.Outcome.OPEN]
    waiting = DemoBankOrder.objects.filter(pk=order.pk, outcome__in=before).exclude(
        outcome=DemoBankOrder.Outcome.OPEN, expires_at__lte=at
    )
    return bool(waiting.update(outcome=outcome))


def notification(order: DemoBankOrder) -> tuple[dict[str, str], bytes]:
    """Headers and body of what the bank sends the portal after an answer."""
    body = json.dumps({"id": f"demo_{secrets.token_hex(8)}", "token": order.token})
    return {HEADER: signing.TimestampSigner(salt=SALT).sign(body)}, body.encode()
