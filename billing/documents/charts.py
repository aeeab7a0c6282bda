"""« Facturé, payé, impayé » month by month, as an accountant looks at it.

    months_of(first, number, service="") -> [MonthFigures]   one query whatever the invoices
    regies_of(first, number, service="") -> {régie: Figures}  the same months, by régie
    chart(months) -> Chart   pure: where each bar, line and word of the drawing goes

A month is that of the invoices: what was paid of March's invoices stands in March, whenever it was paid.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from django.db.models import DecimalField, ExpressionWrapper, F, OuterRef, QuerySet, Subquery, Sum, Value
from django.db.models.expressions import Combinable
from django.db.models.functions import Coalesce

from billing.models import Invoice, InvoiceLine, InvoiceWithBalance
from billing.rules.pricing import rounded
from portal.desk.charts import Chart, Group, draw
from portal.french import moments
from portal.french.amounts import euros
from portal.french.dates import month_name, months_after, short_month
from portal.reservations.models import Activity

ZERO = Decimal("0.00")
# SQLite divides whole euros without a remainder: shares are counted in millionths.
MICRO = 1_000_000
MONEY = DecimalField(max_digits=14, decimal_places=2)

TAKEN_OFF = ("paid", "credited", "written_off")
KINDS, WORDS = ("billed", "paid", "left"), ("facturé", "payé", "impayé")


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What was billed (credit notes taken off) and what of it is paid, in euros."""

    billed: Decimal = ZERO
    paid: Decimal = ZERO

    @property
    def left(self) -> Decimal:
        """Negative when more was paid than is still billed."""
        return self.billed - self.paid


@dataclass(frozen=True, kw_only=True)
class MonthFigures(Figures):
    """Those of a month."""

    first: date

    @property
    def name(self) -> str:
        return month_name(self.first)


# Reading ------------------------------------------------------------------------------------------------


def services() -> list[tuple[str, str]]:
    """The services that bill, each with the names of its activities; one query."""
    names: dict[str, list[str]] = {}
    for service, name in Activity.objects.order_by("order", "name").values_list("service", "name"):
        names.setdefault(service, []).append(name)
    return [(service, moments.listing(activities)) for service, activities in names.items()]


def months_of(
    first: date, number: int, service: str = "", only: tuple[int | None, ...] = ()
) -> list[MonthFigures]:
    """`number` months from `first` on, those without an invoice included; one query.

    With `service`, the lines of its activities alone: what is paid and credited of an invoice counts for
    them in proportion. Lines by hand belong to no service. `only`: of the one régie that is meant (None: the
    town's own), or nothing: of all.
    """
    invoices = _invoices(first, number)
    if only:
        invoices = invoices.filter(regie=only[0])
    found = _summed(invoices, service, "month")
    months = [months_after(first, rank) for rank in range(number)]
    return [
        MonthFigures(first=month, billed=found[month].billed, paid=found[month].paid)
        if month in found
        else MonthFigures(first=month)
        for month in months
    ]


def regies_of(first: date, number: int, service: str = "") -> dict[int | None, Figures]:
    """What the same months come to, by régie (its key; None: the town's own); one query."""
    return _summed(_invoices(first, number), service, "regie")


def _invoices(first: date, number: int) -> QuerySet[InvoiceWithBalance]:
    return Invoice.objects.with_balance().filter(month__gte=first, month__lt=months_after(first, number))


def _summed(invoices: QuerySet[InvoiceWithBalance], service: str, by: str) -> dict[Any, Figures]:
    """The figures of invoices by one of their columns."""
    parts: dict[str, Combinable]
    rows: QuerySet[Any] = invoices
    if service:
        lines = (
            InvoiceLine.objects.filter(invoice=OuterRef("pk"), formula__activity__service=service)
            .order_by()
            .values("invoice")
            .annotate(sum=Sum("amount"))
            .values("sum")
        )
        rows = rows.annotate(
            of_service=Coalesce(Subquery(lines, output_field=MONEY), Value(ZERO, output_field=MONEY))
        )
        parts = {name: _share(name) for name in TAKEN_OFF}
        total, scale = F("of_service"), MICRO
    else:
        parts = {name: F(name) for name in TAKEN_OFF}
        total, scale = F("total"), 1
    sums = (
        rows.order_by()
        .values(by)
        .annotate(
            sum_total=Sum(total),
            sum_paid=Sum(parts["paid"]),
            sum_credited=Sum(parts["credited"]),
            sum_written_off=Sum(parts["written_off"]),
        )
    )
    return {
        row[by]: Figures(
            billed=rounded(row["sum_total"])
            - rounded((row["sum_credited"] + row["sum_written_off"]) / scale),
            paid=rounded(row["sum_paid"] / scale),
        )
        for row in sums
    }


def _share(name: str) -> Combinable:
    """The service's part of an amount of the invoice, MICRO times."""
    return ExpressionWrapper(
        F(name) * F("of_service") * Value(MICRO) / F("total"),
        output_field=DecimalField(max_digits=30, decimal_places=6),
    )


# Drawing ------------------------------------------------------------------------------------------------


def chart(months: Sequence[MonthFigures]) -> Chart:
    """Three bars a month on one axis of amounts, which goes below zero where a sum does."""
    groups = [
        Group(
            month.name,
            short_month(month.first),
            (month.billed, month.paid, month.left),
            beneath=str(month.first.year) if rank == 0 or month.first.month == 1 else "",
        )
        for rank, month in enumerate(months)
    ]
    return draw(groups, tuple(zip(KINDS, WORDS, strict=True)), said=euros, axis=_axis)


def _axis(amount: Decimal) -> str:
    """« 12 000 € », « 0,50 € »."""
    return euros(amount).replace(",00", "")
