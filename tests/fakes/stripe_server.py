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
            (intent,) = parse_qs(urlparse(self.path).query).get("payment_intent", [""])
            status, answer = self.fake.get(path, intent)
            self.say(json.dumps(answer), status=status)


class FakeStripe(Fake):
    handler = StripeHandler

    def __init__(self) -> None:
        super().__init__()
        self.opened = 0
        self.sessions: dict[str, dict[str, Any]] = {}
        self.intents: dict[str, dict[str, Any]] = {}
        self.charges: list[dict[str, Any]] = []
        self.refunds: list[dict[str, Any]] = []
        self.disputes: list[dict[str, Any]] = []
        self.refunds_begin = "succeeded"  # or "pending": the account does not hold enough yet
        self.by_key: dict[str, Any] = {}
        self.webhook = ""  # where events are sent at once; "": kept in `events` only
        self.events: list[dict[str, Any]] = []

    def forgets_all(self) -> None:
        for books in (self.sessions, self.intents, self.by_key):
            books.clear()
        for rows in (self.charges, self.refunds, self.disputes, self.events):
            rows.clear()

    def post(self, path: str, form: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if path == "/v1/checkout/sessions":
            if "payment_method_types" in form:
                return 400, {"error": {"type": "invalid_request_error", "message": "No longer supported."}}
            self.opened += 1
            number = f"cs_test_{self.opened}"
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
            known = self.sessions.get(path.split("/")[4])
            if known is None:
                return 404, {"error": {"type": "invalid_request_error", "message": "No such session."}}
            session = known
            if session["status"] != "open":
                return 400, {"error": {"type": "invalid_request_error", "message": "Not open."}}
            session["status"] = "expired"
            return 200, session
        if path == "/v1/refunds":
            if int(form["amount"]) > self.held(form["payment_intent"]):
                return 400, {
                    "error": {"type": "invalid_request_error", "message": "Greater than the charge."}
                }
            return 200, dict(self.refund(form["payment_intent"], int(form["amount"]), form["metadata"]))
        return 404, {"error": {"type": "invalid_request_error", "message": "No such address."}}

    def get(self, path: str, intent: str = "") -> tuple[int, dict[str, Any]]:
        if path == "/v1/charges":
            return 200, {"object": "list", "url": path, "has_more": False, "data": self.charges}
        if path == "/v1/refunds":
            found = [one for one in self.refunds if one["payment_intent"] == intent]
            return 200, {"object": "list", "url": path, "has_more": False, "data": found}
        if path.startswith("/v1/payment_intents/"):
            found_intent = self.intents.get(path.rsplit("/", 1)[1])
            if found_intent is not None:
                return 200, found_intent
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
            "metadata": session["metadata"],
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

    def charge_of(self, intent: str) -> dict[str, Any]:
        return next(one for one in self.charges if one["payment_intent"] == intent)

    def held(self, intent: str) -> int:
        """Cents of a charge that neither a refund nor a dispute has taken, or is about to."""
        taken = [one for one in self.refunds if one["status"] not in ("failed", "canceled")]
        taken += [one for one in self.disputes if one["status"] != "won"]
        return int(self.charge_of(intent)["amount"]) - sum(
            one["amount"] for one in taken if one["payment_intent"] == intent
        )

    def refund(self, intent: str, cents: int, metadata: dict[str, Any] | None = None) -> dict[str, Any]:
        """A refund, asked for by the portal or, without our metadata, on Stripe's own pages."""
        refund = {
            "id": f"re_{len(self.refunds) + 1}",
            "object": "refund",
            "status": self.refunds_begin,
            "amount": cents,
            "payment_intent": intent,
            "metadata": metadata or {},
        }
        self.refunds.append(refund)
        self.charge_of(intent)["amount_refunded"] += cents
        return refund

    def refund_ends(
        self, refund: dict[str, Any], status: str, kind: str = "refund.updated"
    ) -> dict[str, Any]:
        """A refund succeeds, or fails, even after it had succeeded."""
        if status in ("failed", "canceled") and refund["status"] != status:
            self.charge_of(refund["payment_intent"])["amount_refunded"] -= refund["amount"]
        refund["status"] = status
        return self.send(kind, refund)

    def dispute(self, intent: str, cents: int) -> dict[str, Any]:
        dispute = {
            "id": f"dp_{len(self.disputes) + 1}",
            "object": "dispute",
            "status": "needs_response",
            "amount": cents,
            "payment_intent": intent,
            "metadata": {},
        }
        self.disputes.append(dispute)
        return dispute

    def dispute_ends(self, dispute: dict[str, Any], status: str) -> dict[str, Any]:
        dispute["status"] = status
        return self.send("charge.dispute.closed", dispute)

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
