"""The accounts of what was issued, credited, paid and given back before, in the order of days."""

import heapq
from collections.abc import Iterator
from itertools import islice
from typing import Any

from django.db import migrations
from django.utils import timezone

A_BITE = 2000


def write(apps: Any, schema_editor: Any) -> None:
    alias = schema_editor.connection.alias
    entries = apps.get_model("billing", "AccountEntry")
    issued, answered, paid = (
        apps.get_model("billing", name).objects.using(alias) for name in ("Invoice", "CreditNote", "Payment")
    )

    def entry(kind: str, household: int, amount: Any, day: Any, number: str) -> Any:
        return entries(
            kind=kind, household_id=household, amount=amount, value_on=day, booked_on=day, document=number
        )

    def invoices() -> Iterator[Any]:
        rows = issued.order_by("issued_at", "pk")
        for one in rows.values_list("household_id", "total", "issued_at", "number").iterator(A_BITE):
            home, total, at, number = one
            yield entry("invoice", home, total, timezone.localtime(at).date(), number)

    def credit_notes() -> Iterator[Any]:
        rows = answered.order_by("issued_at", "pk")
        fields = ("invoice__household_id", "amount", "issued_at", "number")
        for home, amount, at, number in rows.values_list(*fields).iterator(A_BITE):
            yield entry("credit", home, -amount, timezone.localtime(at).date(), number)

    def payments() -> Iterator[Any]:
        rows = paid.filter(state="validated").order_by("paid_on", "pk")
        fields = ("household_id", "amount", "paid_on", "number")
        for home, amount, paid_on, number in rows.values_list(*fields).iterator(A_BITE):
            yield entry("payment" if amount > 0 else "refund", home, -amount, paid_on, number)

    merged = heapq.merge(invoices(), credit_notes(), payments(), key=lambda one: one.booked_on)
    while bite := list(islice(merged, A_BITE)):
        entries.objects.using(alias).bulk_create(bite)


class Migration(migrations.Migration):
    dependencies = [("billing", "0010_accounts")]

    operations = [migrations.RunPython(write, migrations.RunPython.noop)]
