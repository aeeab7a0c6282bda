"""Seals of what was issued before, in the order of the numbers of each series and year; where accounts stood.

A document that went after its ten years stands in the chain by the hash that was kept of it.
"""

import hashlib
import heapq
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import islice
from typing import Any

from django.db import migrations
from django.db.models import Sum
from django.utils import timezone

A_BITE = 2000
GENESIS = "0" * 64
ESCAPED = str.maketrans({"\\": r"\\", "\n": r"\n", "\r": r"\r"})
LINE = (
    "position",
    "kind",
    "child_name",
    "activity_name",
    "label",
    "days",
    "quantity",
    "unit_price",
    "amount",
    "explanation",
    "vat_percent",
    "care_percent",
    "analytic_code",
    "account_code",
    "carried__number",
)
INVOICE = (
    "number",
    "kind",
    "month",
    "issued_at",
    "due_on",
    "payer",
    "address",
    "quotient",
    "issuer",
    "total",
    "line_count",
)
CREDIT = ("number", "invoice__number", "amount", "reason", "issued_at")
PAYMENT = ("number", "amount", "means", "reference", "recorded_at", "refunds__number")


def text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value.translate(ESCAPED)
    if isinstance(value, Decimal):
        return f"{value:.2f}"
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, list):
        return ",".join(map(text, value))
    return str(value)


def said(names: Any, values: Any) -> Iterator[str]:
    for name, value in zip(names, values, strict=True):
        name = name.removesuffix("__number")
        if isinstance(value, dict):
            yield from said([f"{name}.{key}" for key in sorted(value)], [value[key] for key in sorted(value)])
        else:
            yield f"{name}={text(value)}\n"


def seal(apps: Any, schema_editor: Any) -> None:
    alias = schema_editor.connection.alias
    models = {
        name: apps.get_model("billing", name)
        for name in ("Invoice", "InvoiceLine", "CreditNote", "Payment", "FormerDocument", "Seal")
    }

    def rows(name: str) -> Any:
        return models[name]._base_manager.using(alias)

    def documents(name: str, document: str, facts: Any, series: str, year: int) -> Iterator[Any]:
        """Sequence, number, version and what is hashed, bite by bite."""
        last = 0
        while bite := list(
            rows(name)
            .filter(series=series, year=year, sequence__gt=last)
            .order_by("sequence")
            .values_list("pk", "sequence", "number", *facts)[:A_BITE]
        ):
            last = bite[-1][1]
            parts = lines([row[0] for row in bite]) if name == "Invoice" else {}
            for key, sequence, number, *values in bite:
                says = "".join(said(facts, values))
                yield sequence, number, 1, f"document={document}\n{says}{parts.get(key, '')}"

    def lines(keys: Any) -> Any:
        names = [f"line.{name}" for name in LINE]
        found = defaultdict(str)
        of_these = rows("InvoiceLine").filter(invoice__in=keys).order_by("invoice", "position")
        for key, *values in of_these.values_list("invoice_id", *LINE):
            found[key] += "".join(said(names, values))
        return found

    def former(series: str, year: int) -> Iterator[Any]:
        gone = rows("FormerDocument").filter(series=series, year=year).order_by("sequence")
        for sequence, number, kept in gone.values_list("sequence", "number", "sha256").iterator(A_BITE):
            yield sequence, number, 0, kept

    def seals(series: str, year: int) -> Iterator[Any]:
        previous = GENESIS
        for sequence, number, version, says in heapq.merge(
            documents("Invoice", "invoice", INVOICE, series, year),
            documents("CreditNote", "credit", CREDIT, series, year),
            documents("Payment", "payment", PAYMENT, series, year),
            former(series, year),
        ):
            whole = f"seal={version}\nprevious={previous}\n{says}"
            mark = hashlib.sha256(whole.encode()).hexdigest() if version else says
            yield models["Seal"](
                series=series,
                year=year,
                sequence=sequence,
                number=number,
                version=version,
                hash=mark,
                previous=previous,
            )
            previous = mark

    chains = set()
    for name in ("Invoice", "CreditNote", "Payment", "FormerDocument"):
        chains |= set(rows(name).order_by().values_list("series", "year").distinct())
    for series, year in sorted(chains):
        found = seals(series, year)
        while bite := list(islice(found, A_BITE)):
            rows("Seal").bulk_create(bite)


def open_accounts(apps: Any, schema_editor: Any) -> None:
    alias = schema_editor.connection.alias
    entries = apps.get_model("billing", "AccountEntry").objects.using(alias)
    opening = apps.get_model("billing", "OpeningBalance")
    stood = (
        entries.filter(household__isnull=False)
        .order_by("household")
        .values_list("household")
        .annotate(sum=Sum("amount"))
        .iterator(A_BITE)
    )
    today = timezone.localdate()
    found = (
        opening(household_id=home, amount=amount, opened_on=today)
        for home, total in stood
        # SQLite adds in binary.
        if (amount := Decimal(total).quantize(Decimal("0.01")))
    )
    while bite := list(islice(found, A_BITE)):
        opening.objects.using(alias).bulk_create(bite)


class Migration(migrations.Migration):
    dependencies = [("billing", "0018_proof")]

    operations = [
        migrations.RunPython(seal, migrations.RunPython.noop),
        migrations.RunPython(open_accounts, migrations.RunPython.noop),
    ]
