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
from itertools import zip_longest
from typing import Any

from django.db.models import DecimalField, ExpressionWrapper, F, OuterRef, QuerySet, Subquery, Sum, Value
from django.db.models.expressions import Combinable
from django.db.models.functions import Coalesce

from billing.models import Invoice, InvoiceLine, InvoiceWithBalance
from billing.rules.pricing import rounded
from portal.french import moments
from portal.french.amounts import euros
from portal.french.dates import month_name, months_after, short_month
from portal.reservations.models import Activity

ZERO = Decimal("0.00")
# SQLite divides whole euros without a remainder: shares are counted in millionths.
MICRO = 1_000_000
MONEY = DecimalField(max_digits=14, decimal_places=2)

# The drawing's own units; the page gives it the width it has.
WIDTH, HEIGHT = 960, 380
LEFT, RIGHT, TOP, BOTTOM = 84, 8, 14, 52
STEPS = (Decimal(1), Decimal(2), Decimal("2.5"), Decimal(5), Decimal(10))
TAKEN_OFF = ("paid", "credited", "written_off")
KINDS, WORDS = ("billed", "paid", "left"), ("facturé", "payé", "impayé")
LINES = 5  # at most that many steps above zero
FILLED = Decimal("0.78")  # the part of a month's width that its bars take


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


@dataclass(frozen=True)
class Bar:
    """A rectangle; `kind` is « billed », « paid » or « left », `title` what it says in words."""

    kind: str
    x: str
    y: str
    width: str
    height: str
    title: str


@dataclass(frozen=True)
class Mark:
    """A word of an axis; on the axis of amounts, also a line across at `y`."""

    x: str
    y: str
    text: str
    zero: bool = False


@dataclass(frozen=True)
class Chart:
    """All that the template writes; `years` stand under the months they begin at."""

    bars: tuple[Bar, ...]
    amounts: tuple[Mark, ...]
    months: tuple[Mark, ...]
    years: tuple[Mark, ...]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT


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


def step(lowest: Decimal, highest: Decimal) -> Decimal:
    """The distance of two lines of the axis, in round euros, so that LINES of them hold what is shown."""
    span = max(highest - lowest, Decimal(1))
    power = Decimal(1)
    while True:
        for factor in STEPS:
            if factor * power * LINES >= span:
                return factor * power
        power *= 10


def chart(months: Sequence[MonthFigures]) -> Chart:
    """Three bars a month on one axis of amounts, which goes below zero where a sum does."""
    sums = [amount for month in months for amount in (month.billed, month.paid, month.left)]
    lowest, highest = min([ZERO, *sums]), max([ZERO, *sums])
    each = step(lowest, highest)
    bottom = (lowest / each).to_integral_value(rounding="ROUND_FLOOR") * each
    top = max((highest / each).to_integral_value(rounding="ROUND_CEILING") * each, bottom + each)
    height = Decimal(HEIGHT - TOP - BOTTOM)

    def down(amount: Decimal) -> Decimal:
        return TOP + (top - amount) / (top - bottom) * height

    wide = Decimal(WIDTH - LEFT - RIGHT) / max(len(months), 1)
    bar = wide * FILLED / 3
    bars, names, years = [], [], []
    for rank, month in enumerate(months):
        start = LEFT + wide * rank + wide * (1 - FILLED) / 2
        amounts_of_month = (month.billed, month.paid, month.left)
        for place, (kind, word, amount) in enumerate(zip(KINDS, WORDS, amounts_of_month, strict=True)):
            if amount:
                upper, lower = down(max(amount, ZERO)), down(min(amount, ZERO))
                title = f"{month.name}, {word} : {euros(amount)}"
                bars.append(Bar(kind, _n(start + bar * place), _n(upper), _n(bar), _n(lower - upper), title))
        middle = LEFT + wide * (rank + Decimal("0.5"))
        names.append(Mark(_n(middle), _n(HEIGHT - BOTTOM + 20), short_month(month.first)))
        if rank == 0 or month.first.month == 1:
            years.append(Mark(_n(LEFT + wide * rank + 4), _n(HEIGHT - BOTTOM + 42), str(month.first.year)))
    # A first year of one month only would stand under the next one's name.
    years = [one for one, after in zip_longest(years, years[1:]) if not after or _far(one, after)]
    amounts, amount = [], bottom
    while amount <= top:
        amounts.append(Mark(_n(LEFT - 8), _n(down(amount)), _axis(amount), zero=not amount))
        amount += each
    return Chart(tuple(bars), tuple(amounts), tuple(names), tuple(years))


def _far(one: Mark, other: Mark) -> bool:
    return Decimal(other.x) - Decimal(one.x) >= 44


def _n(value: Decimal | int) -> str:
    """A coordinate to a hundredth, with a point whatever the language."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _axis(amount: Decimal) -> str:
    """« 12 000 € », « 0,50 € »."""
    return euros(amount).replace(",00", "")
