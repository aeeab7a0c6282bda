"""Stripe Checkout: the only module that knows the library `stripe`.

One Checkout Session a payment, whatever the number of invoices. The session and its payment intent carry our
reference as metadata; the notifications are signed; every request that writes has an idempotency key.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import stripe
from stripe.params.checkout import SessionCreateParams

from billing.invoices.contracts import Contract
from billing.payments.providers.interface import (
    TIMEOUT_SECONDS,
    Answer,
    Collected,
    Notice,
    NotificationRefused,
    OpenedPage,
    PaymentOrder,
    ProviderDown,
    ProviderOutcome,
    ProviderRefused,
    ProviderUnknown,
    TakenBack,
    TakenBackState,
)

# What the answers below are read as. A new version of the library does not change it.
API_VERSION = "2026-10-28.endive"
# The shortest that Stripe allows is half an hour from when it receives the request.
PAGE_LIVES = timedelta(minutes=32)
SIGNED_FOR_SECONDS = 300
NOT_FOUND = 404


class StripeCheckout:
    name = "stripe"
    minimum = Decimal("0.50")
    maximum = Decimal("999999.99")
    refunds_online = True

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        self._client = stripe.StripeClient(
            contract.said("STRIPE_SECRET_KEY"),
            stripe_version=API_VERSION,
            base_addresses={"api": contract.said("STRIPE_API_BASE")},
            # No second try while a parent waits: the idempotency keys let us ask again later.
            max_network_retries=0,
            http_client=stripe.RequestsClient(timeout=TIMEOUT_SECONDS),
        )

    def open(self, order: PaymentOrder) -> OpenedPage:
        expires_at = order.started_at + PAGE_LIVES
        params: SessionCreateParams = {
            "mode": "payment",
            "locale": "fr",
            "client_reference_id": order.reference,
            "line_items": [
                {
                    "quantity": 1,
                    "price_data": {
                        "currency": "eur",
                        "unit_amount": _cents(item.amount),
                        "product_data": {"name": item.label},
                    },
                }
                for item in order.items
            ],
            "allowed_payment_method_types": self._contract.said("STRIPE_PAYMENT_METHODS"),
            "metadata": {"reference": order.reference},
            "payment_intent_data": {
                "description": order.label[:1000],
                "metadata": {"reference": order.reference},
            },
            "success_url": order.return_url,
            "cancel_url": order.return_url,
            "expires_at": int(expires_at.timestamp()),
        }
        if order.email:
            params["customer_email"] = order.email
        with _speaking():
            session = self._client.v1.checkout.sessions.create(
                params, {"idempotency_key": f"open-{order.reference}"}
            )
            return OpenedPage(session.id, _text(session.url), expires_at, session.to_dict())

    def read_notification(self, headers: Mapping[str, str], body: bytes) -> Notice | None:
        header = headers.get("Stripe-Signature", "")
        refusal = "Aucun secret de signature n'est réglé."
        for secret in self._contract.said("STRIPE_WEBHOOK_SECRETS"):
            try:
                event = self._client.construct_event(body, header, secret, SIGNED_FOR_SECONDS)
            except stripe.SignatureVerificationError as error:
                refusal = f"Signature refusée : {error.user_message or error}"[:280]
            except (AttributeError, IndexError, KeyError, TypeError, ValueError):
                refusal = "Message ou signature illisible."
            else:
                return _notice(event.to_dict())
        raise NotificationRefused(refusal)

    def ask(self, provider_reference: str, started_at: datetime) -> Answer:
        with _speaking():
            session = self._client.v1.checkout.sessions.retrieve(
                provider_reference, {"expand": ["payment_intent"]}
            )
            return _session(session.to_dict())

    def close(self, provider_reference: str, started_at: datetime) -> Answer:
        try:
            with _speaking():
                self._client.v1.checkout.sessions.expire(provider_reference)
        except ProviderRefused:
            pass  # it is no longer open: what it has become is asked next
        return self.ask(provider_reference, started_at)

    def refund(self, charge_reference: str, amount: Decimal, key: str) -> TakenBack:
        with _speaking():
            return _taken_back(
                self._client.v1.refunds.create(
                    {"payment_intent": charge_reference, "amount": _cents(amount), "metadata": {"key": key}},
                    {"idempotency_key": key},
                ).to_dict()
            )

    def taken_back(self, charge_reference: str) -> Answer:
        with _speaking():
            intent = self._client.v1.payment_intents.retrieve(charge_reference).to_dict()
            page = self._client.v1.refunds.list({"payment_intent": charge_reference, "limit": 100})
            refunds = [refund.to_dict() for refund in page.auto_paging_iter()]
            return Answer(
                reference=_text((intent.get("metadata") or {}).get("reference")),
                outcome=None,
                charge_reference=charge_reference,
                taken_back=[_taken_back(refund) for refund in refunds],
                raw={"refunds": refunds},
            )

    def collected(self, first: datetime, last: datetime) -> list[Collected] | None:
        with _speaking():
            page = self._client.v1.charges.list(
                {"created": {"gte": int(first.timestamp()), "lt": int(last.timestamp())}, "limit": 100}
            )
            charges = [charge.to_dict() for charge in page.auto_paging_iter()]
            return [_collected(charge) for charge in charges if charge["status"] == "succeeded"]


@contextmanager
def _speaking() -> Iterator[None]:
    """Turns the library's errors, and answers that cannot be read, into ours."""
    try:
        yield
    except (stripe.InvalidRequestError, stripe.CardError) as error:
        if error.http_status == NOT_FOUND:
            raise ProviderUnknown("Stripe ne connaît pas ce paiement.") from error
        raise ProviderRefused(error.user_message or "Stripe refuse cette demande.") from error
    except (stripe.StripeError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise ProviderDown(f"Stripe: {type(error).__name__}") from error


# What Stripe's objects mean --------------------------------------------------------------------------------


def _cents(amount: Decimal) -> int:
    return int(amount * 100)


def _euros(cents: Any) -> Decimal:
    return Decimal(int(cents)) / 100


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _session(session: dict[str, Any], outcome: ProviderOutcome | None = None) -> Answer:
    """A Checkout Session, with its payment intent when it was expanded."""
    intent = session.get("payment_intent")
    status = intent.get("status") if isinstance(intent, dict) else None
    if outcome is None:
        if session["status"] == "open":
            outcome = ProviderOutcome.OPEN
        elif session["status"] == "expired":
            outcome = ProviderOutcome.CANCELLED
        elif session["payment_status"] == "paid":
            outcome = ProviderOutcome.PAID
        elif status in ("requires_payment_method", "canceled"):
            outcome = ProviderOutcome.REFUSED
        else:
            outcome = ProviderOutcome.PENDING
    return Answer(
        reference=_text((session.get("metadata") or {}).get("reference")),
        outcome=outcome,
        amount=_euros(session["amount_total"]),
        currency=session["currency"].upper(),
        provider_reference=session["id"],
        charge_reference=intent["id"] if isinstance(intent, dict) else _text(intent),
        raw=session,
    )


def _collected(charge: dict[str, Any]) -> Collected:
    return Collected(
        _text((charge.get("metadata") or {}).get("reference")),
        _euros(charge["amount"]),
        _text(charge.get("payment_intent")),
    )


REFUND_STATES = {
    "succeeded": TakenBackState.DONE,
    "failed": TakenBackState.FAILED,
    "canceled": TakenBackState.FAILED,
}
DISPUTE_STATES = {
    "lost": TakenBackState.DONE,
    "won": TakenBackState.FAILED,
    "warning_closed": TakenBackState.FAILED,
    "prevented": TakenBackState.FAILED,
}


def _taken_back(refund: dict[str, Any]) -> TakenBack:
    """A refund; what is neither done nor failed is on its way, or waits for the account to hold enough."""
    return TakenBack(
        refund["id"],
        _euros(refund["amount"]),
        REFUND_STATES.get(refund["status"], TakenBackState.PENDING),
        key=_text((refund.get("metadata") or {}).get("key")),
        raw=refund,
    )


def _refund(refund: dict[str, Any]) -> Answer:
    return _of_a_charge(refund, _taken_back(refund))


def _dispute(dispute: dict[str, Any]) -> Answer:
    """A dispute; lost, its amount is gone as well as what was refunded."""
    state = DISPUTE_STATES.get(dispute["status"], TakenBackState.PENDING)
    taken = TakenBack(dispute["id"], _euros(dispute["amount"]), state, disputed=True, raw=dispute)
    return _of_a_charge(dispute, taken)


def _of_a_charge(said: dict[str, Any], taken: TakenBack) -> Answer:
    """Neither carries our reference: the payment is known by its charge."""
    charge = _text(said.get("payment_intent"))
    return Answer("", outcome=None, charge_reference=charge, taken_back=[taken], raw=said)


READERS: dict[str, Callable[[dict[str, Any]], Answer]] = {
    "checkout.session.completed": _session,
    "checkout.session.async_payment_succeeded": lambda session: _session(session, ProviderOutcome.PAID),
    "checkout.session.async_payment_failed": lambda session: _session(session, ProviderOutcome.REFUSED),
    "checkout.session.expired": lambda session: _session(session, ProviderOutcome.CANCELLED),
    "refund.created": _refund,
    "refund.updated": _refund,
    "refund.failed": _refund,
    "charge.refund.updated": _refund,
    "charge.dispute.created": _dispute,
    "charge.dispute.updated": _dispute,
    "charge.dispute.closed": _dispute,
}
# It says a sum and not which refunds: they are asked for.
REFUNDED = "charge.refunded"


def _notice(event: dict[str, Any]) -> Notice | None:
    """A genuine event; None for a kind we did not ask for. Raises NotificationRefused when unreadable."""
    try:
        if event["type"] == REFUNDED:
            charge = _text(event["data"]["object"]["payment_intent"])
            return Notice(event["id"], REFUNDED, charge_reference=charge, raw=event) if charge else None
        read = READERS.get(event["type"])
        if read is None:
            return None
        answer = read(event["data"]["object"])
        return Notice(event["id"], event["type"], answer, charge_reference=answer.charge_reference, raw=event)
    except (AttributeError, KeyError, TypeError, ValueError):
        raise NotificationRefused("Message signé mais illisible.") from None
