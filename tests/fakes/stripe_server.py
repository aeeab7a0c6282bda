"""A small Stripe: Checkout Sessions with their page, payment intents, refunds, charges, signed events."""

import hashlib
import hmac
import json
import time
from typing import Any
from urllib.parse import parse_qs, urlparse

import requests

from tests.fakes.server import Fake, Handler

SECRET = "whsec_of_the_tests"


def tree(pairs: dict[str, list[str]]) -> dict[str, Any]:
    """Stripe's form encoding: `a[b][0]=c` → {"a": {"b": {"0": "c"}}}."""
    found: dict[str, Any] = {}
    for key, (value, *_) in pairs.items():
        *before, last = key.replace("]", "").split("[")
        here = found
        for part in before:
            here = here.setdefault(part, {})
        here[last] = value
    return found


def signature(body: bytes, secret: str = SECRET, at: float | None = None) -> str:
    moment = int(time.time() if at is None else at)
    signed = hmac.new(secret.encode(), f"{moment}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={moment},v1={signed}"


class StripeHandler(Handler):
    fake: "FakeStripe"

    def do_POST(self) -> None:  # noqa: N802
        form = tree(parse_qs(self.body().decode()))
        path = urlparse(self.path).path
        if path.startswith("/page/"):
            self.fake.press(path.split("/")[2], form["answer"])
            self.say("", status=303, Location=self.fake.sessions[path.split("/")[2]]["success_url"])
            return
        self.fake.asked.append(f"POST {path}")
        if self.misbehaves():
            return
        key = self.headers.get("Idempotency-Key", "")
        with self.fake.lock:
            if key and key in self.fake.by_key:
                self.say(json.dumps(self.fake.by_key[key]))
                return
            status, answer = self.fake.post(path, form)
            if key and status == 200:
                self.fake.by_key[key] = answer
        self.say(json.dumps(answer), status=status)

    def do_GET(self) -> None:  # noqa: N802
        path = urlparse(self.path).path
        if path.startswith("/page/"):
            self.say(self.fake.page(path.split("/")[2]), kind="text/html; charset=utf-8")
            return
        self.fake.asked.append(f"GET {path}")
        if not self.misbehaves():
            status, answer = self.fake.get(path)
            self.say(json.dumps(answer), status=status)


class FakeStripe(Fake):
    handler = StripeHandler

    def __init__(self) -> None:
        super().__init__()
        self.sessions: dict[str, dict[str, Any]] = {}
        self.intents: dict[str, dict[str, Any]] = {}
        self.charges: list[dict[str, Any]] = []
        self.refunds: list[dict[str, Any]] = []
        self.by_key: dict[str, Any] = {}
        self.webhook = ""  # where events are sent at once; "": kept in `events` only
        self.events: list[dict[str, Any]] = []

    def post(self, path: str, form: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if path == "/v1/checkout/sessions":
            if "payment_method_types" in form:
                return 400, {"error": {"type": "invalid_request_error", "message": "No longer supported."}}
            number = f"cs_test_{len(self.sessions) + 1}"
            total = sum(
                int(one["price_data"]["unit_amount"]) * int(one["quantity"])
                for one in form["line_items"].values()
            )
            self.sessions[number] = {
                "id": number,
                "object": "checkout.session",
                "status": "open",
                "payment_status": "unpaid",
                "amount_total": total,
                "currency": "eur",
                "url": f"{self.url}/page/{number}",
                "payment_intent": None,
                "metadata": form["metadata"],
                "payment_method_types": list(form["allowed_payment_method_types"].values()),
                "success_url": form["success_url"],
                "expires_at": int(form["expires_at"]),
            }
            return 200, self.sessions[number]
        if path.endswith("/expire"):
            session = self.sessions[path.split("/")[4]]
            if session["status"] != "open":
                return 400, {"error": {"type": "invalid_request_error", "message": "Not open."}}
            session["status"] = "expired"
            return 200, session
        if path == "/v1/refunds":
            charge = next(one for one in self.charges if one["payment_intent"] == form["payment_intent"])
            if int(form["amount"]) > charge["amount"] - charge["amount_refunded"]:
                return 400, {
                    "error": {"type": "invalid_request_error", "message": "Greater than the charge."}
                }
            charge["amount_refunded"] += int(form["amount"])
            refund = {
                "id": f"re_{len(self.refunds) + 1}",
                "object": "refund",
                "status": "succeeded",
                "amount": int(form["amount"]),
                "metadata": form["metadata"],
            }
            self.refunds.append(refund)
            return 200, refund
        return 404, {"error": {"type": "invalid_request_error", "message": "No such address."}}

    def get(self, path: str) -> tuple[int, dict[str, Any]]:
        if path == "/v1/charges":
            return 200, {"object": "list", "url": path, "has_more": False, "data": self.charges}
        session = self.sessions.get(path.rsplit("/", 1)[1])
        if session is None:
            return 404, {"error": {"type": "invalid_request_error", "message": "No such session."}}
        return 200, session | {"payment_intent": self.intents.get(session["payment_intent"] or "")}

    def page(self, number: str) -> str:
        session = self.sessions[number]
        return (
            "<!doctype html><html lang='fr'><title>Stripe d'essai</title><h1>Paiement de "
            f"{session['amount_total'] / 100:.2f} €</h1><form method='post'>"
            "<button name='answer' value='paid'>Payer</button>"
            "<button name='answer' value='pending'>Prélever</button></form>"
            f"<a href='{session['success_url']}'>Revenir sans payer</a></html>"
        )

    # What a payer and his bank do ------------------------------------------------------------------------

    def press(self, number: str, answer: str) -> dict[str, Any]:
        """The payer's card is accepted ("paid"), or his account will be debited ("pending")."""
        session = self.sessions[number]
        intent = f"pi_{number}"
        paid = answer == "paid"
        session.update(status="complete", payment_status="paid" if paid else "unpaid", payment_intent=intent)
        self.intents[intent] = {
            "id": intent,
            "object": "payment_intent",
            "status": "succeeded" if paid else "processing",
        }
        if paid:
            self._charge(session)
        return self.send("checkout.session.completed", session)

    def bank_says(self, number: str, paid: bool) -> dict[str, Any]:
        """The end of a debit."""
        session = self.sessions[number]
        intent = self.intents[session["payment_intent"]]
        intent["status"] = "succeeded" if paid else "requires_payment_method"
        if paid:
            session["payment_status"] = "paid"
            self._charge(session)
        kind = "async_payment_succeeded" if paid else "async_payment_failed"
        return self.send(f"checkout.session.{kind}", session)

    def expire(self, number: str) -> dict[str, Any]:
        self.sessions[number]["status"] = "expired"
        return self.send("checkout.session.expired", self.sessions[number])

    def _charge(self, session: dict[str, Any]) -> None:
        self.charges.append(
            {
                "id": f"ch_{len(self.charges) + 1}",
                "object": "charge",
                "status": "succeeded",
                "amount": session["amount_total"],
                "amount_refunded": 0,
                "payment_intent": session["payment_intent"],
                "metadata": session["metadata"],
            }
        )

    def send(self, kind: str, thing: dict[str, Any]) -> dict[str, Any]:
        """An event; sent to the portal when `webhook` is set."""
        event = json.loads(
            json.dumps(
                {
                    "id": f"evt_{len(self.events) + 1}",
                    "object": "event",
                    "type": kind,
                    "created": int(time.time()),
                    "data": {"object": thing},
                }
            )
        )
        self.events.append(event)
        if self.webhook:
            body = json.dumps(event).encode()
            headers = {"Content-Type": "application/json", "Stripe-Signature": signature(body)}
            requests.post(self.webhook, data=body, headers=headers, timeout=20).raise_for_status()
        return event
