"""Notifications of payment and reconciliation beside bare INSERTs, queries, and eight processes at once.

Needs Django set up on a migrated database it may fill. The notifications are Stripe's, signed; the provider's
own answers are made here, since only our side is measured.
"""

import random
import statistics
import time
from typing import Any
from unittest import mock

from django.apps import apps
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from billing.models import OnlinePayment, Payment
from billing.payments import asking
from billing.payments.providers import choosing
from billing.payments.providers.interface import Answer, ProviderOutcome
from billing.payments.providers.stripe_checkout import StripeCheckout
from tests.bench import yardsticks
from tests.bench.engine import Measure, measure, over
from tests.billing.payments.payment_race import HOOK, configure, event, payments, race
from tests.factories import TownFactory
from tests.fakes.stripe_server import signature

# The payment, its allocation, its event and its version; since accounts and seals are kept, three more: the
# receipt's line in the account, and its seal, over what the database has kept of it.
WEBHOOK_QUERIES = 12
SENT, PROCESSES = 1000, 8
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
    bare: list[float] = []
    for payment in payments(60):
        body = event(payment)
        if payment.pk % 10 == 0:
            with CaptureQueriesContext(connection) as captured:
                _post(client, body)
            queries = max(queries, _counted(captured.captured_queries))
            continue
        bare.append(yardsticks.timed(lambda: _bare(client)))
        times.append(yardsticks.timed(lambda body=body: _post(client, body)))
    return [
        over("payment_webhook_over_bare", statistics.median(times), statistics.median(bare), 2.5),
        measure("payment_webhook_queries", queries, "queries", WEBHOOK_QUERIES),
    ]


def _bare(client: Client) -> None:
    """A request that writes as often as a notification asks the database, in one transaction."""
    client.get("/.well-known/security.txt")
    with transaction.atomic():
        for _ in range(WEBHOOK_QUERIES):
            yardsticks.insert(1)


def crowd(alone: float) -> list[Measure]:
    """Half of them said twice, by eight processes, which must not hinder one another: as fast as one process
    alone, which takes `alone` seconds for each. Every payment is credited once."""
    before = Payment.objects.count()
    bodies = [event(payment) for payment in payments(SENT // 2)] * 2
    random.Random(8).shuffle(bodies)
    seconds = race(bodies, PROCESSES)
    assert Payment.objects.count() - before == SENT // 2
    return [over("payment_notifications_1000_over_alone", seconds, SENT * alone, 1.2)]


def reconciling() -> list[Measure]:
    """A thousand open payments, all of them paid while notifications were lost."""
    payments(OPEN)

    def paid(self: StripeCheckout, number: str, started_at: Any) -> Answer:
        payment = known[number]
        return Answer(payment.reference, ProviderOutcome.PAID, payment.amount, provider_reference=number)

    known = {one.provider_reference: one for one in OnlinePayment.objects.open()}
    before = _rows()
    with mock.patch.object(StripeCheckout, "ask", paid), CaptureQueriesContext(connection) as captured:
        begun = time.perf_counter()
        report = asking.reconcile(at=timezone.now())
        seconds = time.perf_counter() - begun
    assert report.changed == OPEN
    bottom = yardsticks.seconds_to_insert(_rows() - before)
    limit = (
        RECONCILE_QUERIES if connection.vendor == "postgresql" else 100
    )  # SQLite takes fewer values at once
    return [
        measure("reconcile_1000_queries", _counted(captured.captured_queries), "queries", limit),
        over("reconcile_1000_over_insert", seconds, bottom, 40),
    ]


def _rows() -> int:
    """Of all that billing keeps."""
    return sum(model._default_manager.count() for model in apps.get_app_config("billing").get_models())


def run() -> list[Measure]:
    configure()
    choosing.named.cache_clear()
    TownFactory()
    with yardsticks.bare_table():
        found = webhook()
    alone = found[0]["seconds"]
    found += reconciling()
    if connection.vendor == "postgresql":
        found += crowd(alone)
    return found
