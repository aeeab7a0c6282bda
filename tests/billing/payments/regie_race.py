"""Two régies of one town at work on the same households at once, each in an own process, on a database of
their own.

`python -m tests.billing.payments.regie_race ROUNDS` lets each bill a month of its activity, cash at its desk
and credit an invoice whole, at the same moment as the other, and writes what each round left as JSON. Not a
test by itself: test_regie_race.py starts it.
"""

import json
import os
import sys
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import django

if __name__ == "__main__":
    django.setup()

from django.core.management import call_command
from django.db.models import F
from django.utils import timezone

from billing.documents import verifying
from billing.invoices import invoicing, ledger
from billing.invoices.billable import Scope
from billing.invoices.creditable import Wanted
from billing.models import (
    ActivityRegie,
    FormulaTariff,
    Invoice,
    PaymentAllocation,
    Regie,
    Tariff,
    TariffBand,
)
from billing.payments import crediting, paying
from families.models import Household
from portal.reservations.models import Activity, Booking, Formula
from tests.billing.invoices import issuing
from tests.factories import TownFactory
from tests.portal.reservations.race import at_once

TOO_MUCH = Decimal(2)
PRICES = {"cantine": Decimal("12.80"), "centre": Decimal("15.00")}
Said = dict[str, Any]


def seed() -> tuple[Regie, list[Household]]:
    """Two families, whose children eat four times a month at the town hall's (12.80) and go once to the
    centre (15.00), a régie of its own."""
    TownFactory()
    issuing.seed(2, [date(2025, 1, day) for day in (6, 7, 9, 10)])
    centre = Activity.objects.create(code="centre", name="Accueil de loisirs", service="leisure")
    formula = Formula.objects.create(activity=centre, code="journee", name="Journée", parts=["noon"])
    tariff = Tariff.objects.create(code="journee", name="Journée", kind="flat")
    TariffBand.objects.create(tariff=tariff, prices={"": "15.00"})
    FormulaTariff.objects.create(formula=formula, tariff=tariff)
    regie = Regie.objects.create(name="Centre de loisirs", code="LOISIRS", letters="CL")
    ActivityRegie.objects.create(activity=centre, regie=regie)
    for meal in Booking.objects.filter(day=date(2025, 1, 6)):
        meal.pk, meal.activity, meal.formula, meal.day = None, centre, formula, date(2025, 1, 8)
        meal.save()
    return regie, list(Household.objects.order_by("pk"))


def lives_again(month: date) -> None:
    """The same days of another month."""
    rows = list(Booking.objects.filter(day__year=2025, day__month=1))
    for row in rows:
        row.pk, row.day = None, row.day.replace(month=month.month)
    if month.month > 1:
        Booking.objects.bulk_create(rows)


def works(regie: int | None, code: str, month: date, homes: list[Household]) -> None:
    """A day of one régie: the first family hands in two euros too much beforehand, the second one pays once
    it is billed, and what the first one was billed is credited whole and kept for it."""
    now = timezone.now()
    today, (first, second) = timezone.localdate(now), homes
    price = PRICES[code]
    paying.record(first, price + TOO_MUCH, "cash", paid_on=today, by=None, at=now, regie=regie)
    activity = Activity.objects.get(code=code).pk
    invoicing.issue(invoicing.start(Scope(month, activities=(activity,)), by=None, at=now), at=now)
    paying.record(second, price, "cheque", paid_on=today, by=None, at=now, regie=regie)
    billed = Invoice.objects.get(household=first, regie=regie, month=month)
    crediting.credit(billed, Wanted(whole=True), reason="Grève", by=None, at=now)


def left(month: date, homes: list[Household]) -> Said:
    """What a round left: each régie's invoices, what stands on each account, and what one paid of the
    other's."""
    rows = Invoice.objects.filter(month=month).order_by("regie__letters", "pk")
    keys = [home.pk for home in homes]
    balances, documents = ledger.balances_by_regie(keys), ledger.standing_by_regie(keys)
    crossed = PaymentAllocation.objects.exclude(payment__regie=F("invoice__regie")).exclude(
        payment__regie=None, invoice__regie=None
    )
    return {
        "billed": sorted(f"{'CL' if one.regie_id else ''} {one.total}" for one in rows),
        "balances": [
            [
                str(balances.get((key, regie), 0))
                for regie in (None, *Regie.objects.values_list("pk", flat=True))
            ]
            for key in keys
        ],
        "gaps": sum(balances.get(one) != documents.get(one, 0) for one in {*balances, *documents}),
        "crossed": crossed.count(),
    }


def main(rounds: int) -> None:
    call_command("createcachetable", verbosity=0)
    regie, homes = seed()
    found = []
    for number in range(1, rounds + 1):
        month = date(2025, number, 1)
        lives_again(month)
        acts: list[Callable[[], object]] = [
            lambda month=month: works(None, "cantine", month, homes),  # type: ignore[misc]
            lambda month=month: works(regie.pk, "centre", month, homes),  # type: ignore[misc]
        ]
        errors, _ = at_once(acts)
        assert not errors, errors
        found.append(left(month, homes))
    verified = verifying.verify(files=False)
    said = {"rounds": found, "faults": verified.faults, "documents": verified.documents}
    json.dump(said, sys.stdout)


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    main(int(sys.argv[1]))
