"""Notifications of payment and reconciliation: time, queries, and eight processes at once on a server.

Needs Django set up on a migrated database it may fill. The notifications are Stripe's, signed; the provider's
own answers are made here, since only our side is measured.
"""

import random
import statistics
import time
from typing import Any
from unittest import mock

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from billing.models import OnlinePayment, Payment
from billing.payments import asking
from billing.payments.providers import choosing
from billing.payments.providers.interface import Answer, ProviderOutcome
from billing.payments.providers.stripe_checkout import StripeCheckout
from tests.bench.engine import Measure, measure
from tests.billing.payments.payment_race import HOOK, configure, event, payments, race
from tests.factories import TownFactory
from tests.fakes.stripe_server import signature

WEBHOOK_MS, WEBHOOK_QUERIES = 20, 10
SENT, PROCESSES, A_SECOND = 1000, 8, 100
OPEN, RECONCILE_QUERIES = 1000, 20


def _counted(captured: list[dict[str, str]]) -> int:
    """Without what only opens and closes transactions."""
    words = ("SAVEPOINT", "RELEASE", "BEGIN", "COMMIT")
    return sum(not one["sql"].startswith(words) for one in captured)


def _post(client: Client, body: bytes) -> Any:
    answer = client.post(
        HOOK, body, content_type="application/json", headers={"Stripe-Signature": signature(body)}
    )
    assert answer.status_code == 200
    return answer


def webhook() -> list[Measure]:
    """One notification after the other: median time and the most queries."""
    client, times, queries = Client(), [], 0
    for payment in payments(60):
        body = event(payment)
        if payment.pk % 10 == 0:
            with CaptureQueriesContext(connection) as captured:
                _post(client, body)
            queries = max(queries, _counted(captured.captured_queries))
            continue
        begun = time.perf_counter()
        _post(client, body)
        times.append((time.perf_counter() - begun) * 1000)
    return [
        measure("payment_webhook", statistics.median(times), "ms", WEBHOOK_MS),
        measure("payment_webhook_queries", queries, "queries", WEBHOOK_QUERIES),
    ]


def crowd() -> list[Measure]:
    """Half of them said twice, by eight processes; every payment is credited once."""
    before = Payment.objects.count()
    bodies = [event(payment) for payment in payments(SENT // 2)] * 2
    random.Random(8).shuffle(bodies)
    seconds = race(bodies, PROCESSES)
    assert Payment.objects.count() - before == SENT // 2
    return [measure("payment_notifications_1000", seconds, "s", SENT / A_SECOND)]


def reconciling() -> list[Measure]:
    """A thousand open payments, all of them paid while notifications were lost."""
    payments(OPEN)

    def paid(self: StripeCheckout, number: str, started_at: Any) -> Answer:
        payment = known[number]
        return Answer(payment.reference, ProviderOutcome.PAID, payment.amount, provider_reference=number)

    known = {one.provider_reference: one for one in OnlinePayment.objects.open()}
    with mock.patch.object(StripeCheckout, "ask", paid), CaptureQueriesContext(connection) as captured:
        begun = time.perf_counter()
        report = asking.reconcile(at=timezone.now())
        seconds = time.perf_counter() - begun
    assert report.changed == OPEN
    limit = (
        RECONCILE_QUERIES if connection.vendor == "postgresql" else 100
    )  # SQLite takes fewer values at once
    return [
        measure("reconcile_1000_queries", _counted(captured.captured_queries), "queries", limit),
        measure("reconcile_1000", seconds, "s", 10),
    ]


def run() -> list[Measure]:
    configure()
    choosing.named.cache_clear()
    TownFactory()
    found = webhook() + reconciling()
    if connection.vendor == "postgresql":
        found += crowd()
    return found
