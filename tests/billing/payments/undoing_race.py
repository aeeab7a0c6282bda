"""A payment reversed at the moment another desk puts it right too, each in an own process, on a database of
their own.

`python -m tests.billing.payments.undoing_race ROUNDS` lets one desk reverse a payment while
another re-allocates it, gives it back, moves it, or reverses it too, and writes what each round left as JSON.
Not a test by itself: test_undoing_race.py starts it.
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
from django.utils import timezone

from billing.invoices import ledger
from billing.models import Invoice, Payment, PaymentAllocation
from billing.payments import paying, undoing
from billing.payments.paying import PaymentRefused
from families.models import Household
from tests.factories import HouseholdFactory, InvoiceFactory, TownFactory
from tests.portal.reservations.race import at_once

TEN = Decimal(10)
Said = dict[str, Any]


def said() -> Said:
    now = timezone.now()
    return {"reason": "Erreur", "due_on": timezone.localdate(now), "by": None, "at": now}


def reverses(payment: Payment) -> None:
    with suppress(PaymentRefused):
        undoing.reverse(payment, because="twice", on=None, **said())


def reallocates(payment: Payment) -> None:
    other = Invoice.objects.filter(household=payment.household_id).latest("pk")
    with suppress(PaymentRefused):
        undoing.reallocate(payment, {other.pk: TEN}, **said())


def gives_back(payment: Payment) -> None:
    now = timezone.now()
    with suppress(PaymentRefused):
        paying.refund(payment, Decimal(4), means="cash", paid_on=timezone.localdate(now), by=None, at=now)


def moves(payment: Payment) -> None:
    """To the household before it, whose row comes first."""
    other = Household.objects.get(pk=payment.household_id - 1)
    with suppress(PaymentRefused):
        undoing.move(payment, other, **said())


OTHERS: dict[str, Callable[[Payment], None]] = {
    "reverse": reverses,
    "reallocate": reallocates,
    "refund": gives_back,
    "move": moves,
}


def recorded() -> Payment:
    """Fourteen euros, of which four pay nothing, of a household that owes twice ten."""
    home = HouseholdFactory()
    first, _ = (InvoiceFactory(household=home, total=TEN) for _ in range(2))
    now = timezone.now()
    payment = paying.record(
        home, Decimal(14), "cash", paid_on=timezone.localdate(now), by=None, at=now, invoices=[]
    )
    paying.allocate(payment, first, TEN)
    return payment


def left(payment: Payment) -> Said:
    """What a round left: what undid the payment, what is used of it beyond, and by how much the account and
    the documents differ."""
    homes = [payment.household_id, payment.household_id - 1]
    documents = sum(ledger.standing(homes).values())
    # Invoices of the factory have no movement.
    billed = sum(Invoice.objects.filter(household__in=homes).values_list("total", flat=True))
    return {
        "taken": sorted(f"{one.kind} {one.amount}" for one in payment.refunded_by.all()),
        "used": str(sum(PaymentAllocation.objects.filter(payment=payment).values_list("amount", flat=True))),
        "unused": str(paying.unused(payment)),
        "gap": str(documents - billed - sum(ledger.balances(homes).values())),
    }


def meet(rounds: int, other: Callable[[Payment], None]) -> list[Said]:
    found = []
    for _ in range(rounds):
        HouseholdFactory()
        payment = recorded()
        errors, _ = at_once([lambda one=payment: reverses(one), lambda one=payment: other(one)])
        assert not errors, errors
        found.append(left(payment))
    return found


def main(rounds: int) -> None:
    call_command("createcachetable", verbosity=0)
    TownFactory()
    json.dump({name: meet(rounds, other) for name, other in OTHERS.items()}, sys.stdout)


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    main(int(sys.argv[1]))
