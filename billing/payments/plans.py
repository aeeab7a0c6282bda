"""The due dates of invoices that are paid in several times. Reads only: `instalments.py` writes them."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Protocol

from billing.models import Instalment, InstalmentPlan


class Parted(Protocol):
    """What the due dates of an invoice are read against: one with its balance."""

    @property
    def pk(self) -> Any: ...
    @property
    def total(self) -> Decimal: ...
    @property
    def left(self) -> Decimal: ...
    @property
    def pay_by(self) -> date: ...
    @property
    def parted(self) -> bool: ...


@dataclass(frozen=True)
class Part:
    """A due date as pages show it; `left`: what is not settled of it."""

    due_on: date
    amount: Decimal
    left: Decimal

    def late(self, today: date) -> bool:
        return self.left > 0 and self.due_on < today


@dataclass(frozen=True)
class Schedule:
    """The due dates of an invoice. `before`: what was settled when it was agreed."""

    plan: InstalmentPlan
    rows: tuple[Instalment, ...]

    def parts(self, invoice: Parted) -> list[Part]:
        settled = invoice.total - invoice.left
        return [
            Part(one.due_on, one.amount, min(max(one.up_to - settled, Decimal(0)), one.amount))
            for one in self.rows
        ]

    def asked_by(self, settled: Decimal, day: date) -> Decimal:
        """What is asked for by a day, once so much of the invoice is settled."""
        due = max((one.up_to for one in self.rows if one.due_on <= day), default=Decimal(0))
        return max(due - settled, Decimal(0))

    def next(self, settled: Decimal) -> Decimal:
        """What is left of the first part that is not settled."""
        return next((one.up_to - settled for one in self.rows if one.up_to > settled), Decimal(0))


def among(invoices: Iterable[Parted]) -> Mapping[int, Schedule]:
    """The same of rows that say whether they are paid so: no query where none is."""
    return of([one.pk for one in invoices if one.parted])


def of(invoices: Collection[int]) -> Mapping[int, Schedule]:
    """Of these invoices (keys), those that are paid in several times, in one query."""
    found: dict[int, list[Instalment]] = defaultdict(list)
    if invoices:
        rows = Instalment.objects.filter(plan__invoice__in=invoices, plan__ended_at=None)
        for row in rows.select_related("plan").order_by("due_on"):
            found[row.plan.invoice_id].append(row)
    return {pk: Schedule(rows[0].plan, tuple(rows)) for pk, rows in found.items()}
