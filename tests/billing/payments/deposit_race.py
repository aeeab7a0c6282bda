"""Two agents put the same cheque on a slip at once, each in an own process, on a database of their own.

`python -m tests.billing.payments.deposit_race ROUNDS` writes, of each round, how many slips there are, how
many lines that count, and how many numbers were taken. Not a test by itself: test_deposits.py starts it.
"""

import json
import os
import sys
from contextlib import suppress
from decimal import Decimal

import django

if __name__ == "__main__":
    django.setup()

from django.utils import timezone

from billing.models import DepositLine, DepositSlip, NumberCounter, Payment
from billing.payments import deposits, paying
from tests.factories import HouseholdFactory, TownFactory
from tests.portal.reservations.race import at_once


def hands_over(payment: int) -> None:
    """An agent's slip, or the word that somebody else's has it."""
    now = timezone.now()
    with suppress(deposits.DepositRefused):
        deposits.make("cheque", [payment], deposited_on=timezone.localdate(now), by=None, at=now)


def one_round() -> list[int]:
    now = timezone.now()
    cheque: Payment = paying.record(
        HouseholdFactory(), Decimal(10), "cheque", paid_on=timezone.localdate(now), by=None, at=now
    )
    slips = DepositSlip.objects.count()
    taken = sum(NumberCounter.objects.filter(series="B").values_list("last", flat=True))
    errors, _ = at_once([lambda: hands_over(cheque.pk)] * 2)
    assert not errors, errors
    return [
        DepositSlip.objects.count() - slips,
        DepositLine.objects.filter(payment=cheque, cancelled=False).count(),
        sum(NumberCounter.objects.filter(series="B").values_list("last", flat=True)) - taken,
    ]


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    TownFactory()
    json.dump([one_round() for _ in range(int(sys.argv[1]))], sys.stdout)
