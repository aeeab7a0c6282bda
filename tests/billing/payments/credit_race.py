"""A credit note at the moment the same invoice is answered otherwise, each in an own process, on a database
of their own.

`python -m tests.billing.payments.credit_race ROUNDS` lets the desk credit an invoice whole while Stripe says
that it was paid, while another desk takes the cash, credits it too, or writes it off, and writes what each
round left as JSON. Not a test by itself: test_credit_race.py starts it.
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
from django.db import transaction
from django.test import Client
from django.utils import timezone

from billing.invoices import ledger
from billing.invoices.creditable import Wanted
from billing.invoices.refusals import BillingRefused
from billing.models import BilledItem, Invoice, InvoiceLine
from billing.payments import crediting, paying, writing_off
from families.models import Household
from tests.billing.payments import payment_race
from tests.factories import InvoiceFactory, TownFactory
from tests.fakes.stripe_server import signature
from tests.portal.reservations.race import at_once

ALL = Decimal(10)


def takes_back(invoice: int) -> None:
    """The desk takes back the whole invoice, or is told that nothing is left of it."""
    with suppress(BillingRefused):
        crediting.credit(
            Invoice.objects.get(pk=invoice), Wanted(whole=True), reason="Erreur", by=None, at=timezone.now()
        )


def gives_up(invoice: int) -> None:
    """Another desk notes that it will never be paid, or is told that nothing is left of it."""
    now = timezone.now()
    with suppress(BillingRefused):
        writing_off.write_off(
            Invoice.objects.get(pk=invoice), ALL, kind="uncollectable", reason="Insolvable", decision="DEL-1",
            decided_on=timezone.localdate(now), by=None, at=now,
        )  # fmt: skip


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
    """In cents: what is left to pay, what the family has too much, what was credited and written off, and by
    how much the account says otherwise."""
    (invoice,) = Invoice.objects.with_balance().filter(household=household)
    payments = Household.objects.get(pk=household).payments.all()
    standing, balances = ledger.standing([household]), ledger.balances([household])
    said = (
        invoice.left,
        sum(paying.unused(one) for one in payments),
        invoice.credited,
        invoice.written_off,
        standing[household] - balances[household],
    )
    return [int(100 * amount) for amount in said]


def billed(home: Household) -> Invoice:
    """An invoice with a line and what it bills: a flat price."""
    invoice = InvoiceFactory(household=home, total=ALL, line_count=1)
    with transaction.atomic():
        line = InvoiceLine.objects.create(
            invoice=invoice, position=1, kind="flat", label="Forfait", quantity=1, unit_price=ALL, amount=ALL
        )
        BilledItem.objects.create(line=line, flat=f"{home.pk}:1:1:2026-10", amount=ALL)
        ledger.billed([invoice])
    return invoice


def meet(rounds: int, other: Callable[[Any, int], Callable[[], None]]) -> list[list[int]]:
    found = []
    for _ in range(rounds):
        (payment,) = payment_race.payments(1, make=billed)
        invoice = payment.parts.get().invoice_id
        errors, _ = at_once([lambda invoice=invoice: takes_back(invoice), other(payment, invoice)])
        assert not errors, errors
        found.append(left(payment.household_id))
    return found


def main(rounds: int) -> None:
    call_command("createcachetable", verbosity=0)
    payment_race.configure()
    TownFactory()

    def stripe(payment: Any, invoice: int) -> Callable[[], None]:
        body = payment_race.event(payment)
        return lambda: hears(body)

    def desk(payment: Any, invoice: int) -> Callable[[], None]:
        return lambda: cashes(payment.household_id)

    def too(payment: Any, invoice: int) -> Callable[[], None]:
        return lambda: takes_back(invoice)

    def never(payment: Any, invoice: int) -> Callable[[], None]:
        return lambda: gives_up(invoice)

    others = {"notification": stripe, "desk": desk, "twice": too, "written off": never}
    json.dump({name: meet(rounds, other) for name, other in others.items()}, sys.stdout)


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    main(int(sys.argv[1]))
