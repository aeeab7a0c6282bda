"""A credit note at the moment the same invoice is paid, each in an own process, on a database of their own.

`python -m tests.billing.payments.credit_race ROUNDS` lets the desk credit an invoice whole while Stripe says
that it was paid, then while another desk takes the cash, and writes what each round left as JSON. Not a test
by itself: test_credit_race.py starts it.
"""

import json
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from typing import Any

import django

if __name__ == "__main__":
    django.setup()

from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from billing.invoices import invoicing
from billing.invoices.invoicing import BillingRefused
from billing.models import Invoice
from billing.payments import paying
from families.models import Household
from tests.billing.payments import payment_race
from tests.factories import TownFactory
from tests.fakes.stripe_server import signature
from tests.portal.reservations.race import at_once

ALL = Decimal(10)


def takes_back(invoice: int) -> None:
    """The desk takes back the whole invoice, or is told that it is paid."""
    with suppress(BillingRefused):
        invoicing.credit(Invoice.objects.get(pk=invoice), ALL, reason="Erreur", by=None, at=timezone.now())


def cashes(household: int) -> None:
    """Another desk takes ten euros for whatever is unpaid."""
    now = timezone.now()
    paying.record(
        Household.objects.get(pk=household), ALL, "cash", paid_on=timezone.localdate(now), by=None, at=now
    )


def hears(body: bytes) -> None:
    payment_race.configure()
    answer = Client().post(
        payment_race.HOOK,
        body,
        content_type="application/json",
        headers={"Stripe-Signature": signature(body)},
    )
    assert answer.status_code == 200


def left(household: int) -> list[int]:
    """What is left to pay, in cents, and what the family has too much."""
    invoices = Invoice.objects.with_balance().filter(household=household)
    payments = Household.objects.get(pk=household).payments.all()
    return [
        int(100 * sum(one.left for one in invoices)),
        int(100 * sum(paying.unused(one) for one in payments)),
    ]


def meet(rounds: int, other: Callable[[Any], Callable[[], None]]) -> list[list[int]]:
    found = []
    for _ in range(rounds):
        (payment,) = payment_race.payments(1)
        invoice = payment.parts.get().invoice_id
        errors, _ = at_once([lambda invoice=invoice: takes_back(invoice), other(payment)])
        assert not errors, errors
        found.append(left(payment.household_id))
    return found


def main(rounds: int) -> None:
    call_command("createcachetable", verbosity=0)
    payment_race.configure()
    TownFactory()

    def stripe(payment: Any) -> Callable[[], None]:
        body = payment_race.event(payment)
        return lambda: hears(body)

    def desk(payment: Any) -> Callable[[], None]:
        return lambda: cashes(payment.household_id)

    json.dump({"notification": meet(rounds, stripe), "desk": meet(rounds, desk)}, sys.stdout)


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    main(int(sys.argv[1]))
