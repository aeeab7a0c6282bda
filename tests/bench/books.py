"""`verify_books` of a town of 10 000 households and a year of their invoices and payments.

The books are written as the portal writes them, past the pricing: numbers, lines, seals, accounts, payments.
The verification runs by itself: `python -m tests.bench.books` does it on the database of DATABASE_URL and
says what it took as JSON; `python -m tests.bench.books HOUSEHOLDS` fills it first.
"""

import io
import json
import os
import subprocess
import sys
import time
from datetime import date, datetime
from decimal import Decimal

import django

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    django.setup()

from django.core.management import call_command
from django.db import connection, transaction
from django.utils import timezone

from billing.invoices import ledger, sealing
from billing.invoices.numbering import take
from billing.models import Invoice, InvoiceLine
from billing.payments import paying
from families.models import Household
from tests import ROOT
from tests.bench import yardsticks
from tests.bench.billing import address, peak, rows_kept
from tests.bench.engine import Measure, measure, over

TOWN, YEAR, MONTHS, LINES = 10_000, 2025, 10, 3
A_CHUNK = 500
PRICE = Decimal("12.80")
ISSUER = {"name": "Ville", "address": "1 place Neuve\n01999 Ville", "collection": "Régie de recettes"}


def fill(households: int) -> None:
    """So many new households, each with an invoice a month and its payment."""
    homes = Household.objects.bulk_create(
        (
            Household(street=f"{number} rue du Moulin", postcode="01999", city="Ville", state="accepted")
            for number in range(households)
        ),
        batch_size=2000,
    )
    for month in range(1, MONTHS + 1):
        at = timezone.make_aware(datetime(YEAR, month + 1, 5, 8))
        for first in range(0, households, A_CHUNK):
            _issue(homes[first : first + A_CHUNK], date(YEAR, month, 1), at)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("ANALYZE")


@transaction.atomic
def _issue(homes: list[Household], month: date, at: datetime) -> None:
    invoices = Invoice.objects.bulk_create(
        Invoice(
            **number.fields,
            household=home,
            month=month,
            issued_at=at,
            due_on=at.date(),
            payer="Camille Roux",
            address=f"{home.street}\n01999 Ville",
            issuer=ISSUER,
            total=PRICE * LINES,
            line_count=LINES,
        )
        for number, home in zip(take("F", YEAR, len(homes)), homes, strict=True)
    )
    InvoiceLine.objects.bulk_create(
        InvoiceLine(
            invoice=invoice,
            position=place,
            child_name=f"Lina Roux {place}",
            activity_name="Restauration scolaire",
            label="Repas",
            days=[month.replace(day=day).isoformat() for day in (2, 3, 5, 6)],
            quantity=4,
            unit_price=Decimal("3.20"),
            amount=PRICE,
            explanation="Quotient 812 : tranche de 450 à 899,99.",
        )
        for invoice in invoices
        for place in range(1, LINES + 1)
    )
    sealing.seal(invoices)
    ledger.billed(invoices)
    paying.credit(
        [
            paying.Credit(one.household_id, one.total, "transfer", "", [(one.pk, one.total)])
            for one in invoices
        ],
        left={one.pk: one.total for one in invoices},
        at=at,
    )


def run() -> list[Measure]:
    if connection.vendor != "postgresql":
        return []
    fill(TOWN)
    job = json.loads(
        subprocess.run(
            [sys.executable, "-m", "tests.bench.books"],
            cwd=ROOT,
            env=os.environ | {"DATABASE_URL": address()},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
    )
    assert job["said"].endswith("tout concorde"), job["said"]
    return [
        over("verify_books_10000_over_reading", job["seconds"], job["bare"], 30),
        measure("verify_books_10000_memory", job["memory"], "MB", 300),
    ]


def verify() -> dict[str, object]:
    out, begun = io.StringIO(), time.perf_counter()
    call_command("verify_books", stdout=out)
    seconds, held = time.perf_counter() - begun, peak()
    said = out.getvalue().splitlines()
    bare = yardsticks.seconds_to_read(rows_kept())
    return {"seconds": seconds, "bare": bare, "memory": held, "said": said[-1], "parts": said[:-1]}


if __name__ == "__main__":
    if len(sys.argv) > 1:
        fill(int(sys.argv[1]))
    sys.stdout.write(json.dumps(verify(), ensure_ascii=False) + "\n")
