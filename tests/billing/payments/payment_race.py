"""Notifications at the same moment, each process with an own connection, on a database of their own.

`python -m tests.billing.payments.payment_race NUMBER PROCESSES` sends NUMBER signed notifications (half of
them said before) to the portal of DATABASE_URL, migrated and empty, and writes what came of it as JSON. Not a
test by itself: test_pay_race.py and the bench start it.
"""

import json
import multiprocessing
import os
import random
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import django

if __name__ == "__main__":
    django.setup()

from django.conf import settings
from django.core.management import call_command
from django.db import connections
from django.db.models import Sum
from django.test import Client
from django.utils import timezone

from billing.models import (
    Invoice,
    OnlinePayment,
    OnlinePaymentInvoice,
    Payment,
    PaymentAllocation,
    PaymentEvent,
)
from families.models import Household
from tests.factories import HouseholdFactory, InvoiceFactory, TownFactory
from tests.fakes.stripe_server import SECRET, signature

HOOK = "/factures/notifications/stripe/"


def configure() -> None:
    settings.PAYMENT_PROVIDER = "stripe"
    settings.STRIPE_SECRET_KEY = "rk_test_race"
    settings.STRIPE_WEBHOOK_SECRETS = [SECRET]
    settings.SECURE_SSL_REDIRECT = False
    if "testserver" not in settings.ALLOWED_HOSTS:
        settings.ALLOWED_HOSTS.append("testserver")


def unlined(household: Household) -> Invoice:
    return InvoiceFactory(household=household, total=Decimal(10))


def payments(
    number: int, *, invoices: int = 1, make: Callable[[Household], Invoice] = unlined
) -> list[OnlinePayment]:
    """So many payments on Stripe's page, a household each, as `starting.start` leaves them; `make`: its
    invoices, of ten euros each."""
    now, made, first = timezone.now(), [], OnlinePayment.objects.count()
    for place in range(first, first + number):
        household = HouseholdFactory()
        due = [make(household) for _ in range(invoices)]
        payment = OnlinePayment.objects.create(
            reference=f"P26RACE{place:06d}",
            household=household,
            provider="stripe",
            provider_reference=f"cs_race_{place}",
            amount=Decimal(10) * invoices,
            url="https://example.org/",
            started_at=now,
            expires_at=now + timedelta(hours=1),
        )
        OnlinePaymentInvoice.objects.bulk_create(
            OnlinePaymentInvoice(online_payment=payment, invoice=invoice, amount=10) for invoice in due
        )
        made.append(payment)
    return made


def event(payment: OnlinePayment, number: str = "") -> bytes:
    """Stripe says that it was paid."""
    session = {
        "id": payment.provider_reference,
        "object": "checkout.session",
        "status": "complete",
        "payment_status": "paid",
        "amount_total": int(payment.amount * 100),
        "currency": "eur",
        "payment_intent": f"pi_{payment.pk}",
        "metadata": {"reference": payment.reference},
    }
    return json.dumps(
        {
            "id": number or f"evt_{payment.pk}",
            "object": "event",
            "type": "checkout.session.completed",
            "data": {"object": session},
        }
    ).encode()


def _send(bodies: list[bytes], ready: Any) -> None:
    configure()
    client = Client()
    ready.wait()
    for body in bodies:
        answer = client.post(
            HOOK, body, content_type="application/json", headers={"Stripe-Signature": signature(body)}
        )
        assert answer.status_code == 200, answer.status_code


def race(bodies: list[bytes], processes: int) -> float:
    """Seconds until every notification is answered, sent by so many processes at once."""
    connections.close_all()
    context = multiprocessing.get_context("fork")
    ready = context.Barrier(processes + 1)
    running = [
        context.Process(target=_send, args=(bodies[place::processes], ready)) for place in range(processes)
    ]
    for process in running:
        process.start()
    ready.wait()
    begun = time.perf_counter()
    for process in running:
        process.join()
    seconds = time.perf_counter() - begun
    assert all(process.exitcode == 0 for process in running)
    return seconds


def result() -> dict[str, Any]:
    """What came of it: every payment once, nothing lost."""
    per_household = Payment.objects.values("household").annotate(sum=Sum("amount"))
    sequences = sorted(Payment.objects.values_list("sequence", flat=True))
    return {
        "states": sorted(set(OnlinePayment.objects.values_list("state", flat=True))),
        "payments": Payment.objects.count(),
        "online": OnlinePayment.objects.count(),
        "same_amount": all(
            row["sum"] == OnlinePayment.objects.get(household=row["household"]).amount
            for row in per_household
        ),
        "left": int(100 * sum(one.left for one in Invoice.objects.with_balance())),
        "allocated": int(100 * PaymentAllocation.objects.aggregate(sum=Sum("amount"))["sum"]),
        "events": PaymentEvent.objects.count(),
        "gapless": sequences == list(range(1, len(sequences) + 1)),
    }


def main(number: int, processes: int) -> None:
    call_command("createcachetable", verbosity=0)
    configure()
    TownFactory()
    bodies = [event(payment) for payment in payments(number // 2)] * 2
    random.Random(8).shuffle(bodies)
    seconds = race(bodies, processes)
    found = result()

    # One payment, said by all at once, by different events.
    again = OnlinePayment.objects.order_by("pk").earliest("pk")
    race([event(again, f"evt_again_{place}") for place in range(processes)], processes)
    found["after_repeating"] = Payment.objects.count()
    found["seconds"] = seconds
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    main(int(sys.argv[1]), int(sys.argv[2]))
