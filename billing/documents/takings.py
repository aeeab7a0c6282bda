"""The cash book over any dates: by day and means, by agent and means; on screen, on paper and as files.

Days are those of the books (`Payment.objects.in_the_books`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db.models import Count, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Round

from billing.documents import pdf
from billing.invoices import invoicing, regies
from billing.models import DepositLine, Payment
from billing.models.means import label
from billing.models.payments import PaymentInTheBooks
from billing.payments import means as ways
from families.desk_cells import person
from families.models import User
from portal.files.handing_over import Cell
from portal.french.amounts import euros
from portal.french.dates import short_day

STYLE = Path(settings.BASE_DIR) / "templates" / "billing" / "invoice.css"
COLUMNS = (
    "Date comptable", "Reçu", "Payé le", "Foyer", "Moyen", "Compte", "Référence", "Montant", "Encaissé par",
    "Bordereau",
)  # fmt: skip
A_BITE = 200
NOBODY = "sans agent (en ligne, prélèvements)"


@dataclass(frozen=True)
class Sums:
    """`who`: a day or an agent, in words; amounts in euros."""

    who: date | str
    means: str
    count: int
    amount: Decimal

    @property
    def said(self) -> str:
        return euros(self.amount)


@dataclass(frozen=True)
class Takings:
    first: date
    last: date
    days: list[Sums]
    agents: list[Sums]

    @property
    def by_means(self) -> list[tuple[str, str]]:
        found: dict[str, Decimal] = {}
        for row in self.days:
            found[row.means] = found.get(row.means, Decimal(0)) + row.amount
        return [(name, euros(amount)) for name, amount in found.items()]

    @property
    def total(self) -> str:
        return euros(sum((row.amount for row in self.days), Decimal(0)))


def of_days(first: date, last: date, regie: int | None) -> "QuerySet[PaymentInTheBooks]":
    return Payment.objects.in_the_books().filter(book_day__gte=first, book_day__lte=last, regie=regie)


def takings(first: date, last: date, regie: int | None) -> Takings:
    """Both sums in three queries, whatever the number of payments."""
    rows = of_days(first, last, regie)
    days = _summed(rows, "book_day")
    agents = _summed(rows, "recorded_by")
    names = {
        one.pk: person(one) for one in User.objects.filter(pk__in={row["recorded_by"] for row in agents})
    }
    return Takings(
        first,
        last,
        [Sums(row["book_day"], label(row["means"]), row["count"], row["sum"]) for row in days],
        [
            Sums(names.get(row["recorded_by"], NOBODY), label(row["means"]), row["count"], row["sum"])
            for row in agents
        ],
    )


def _summed(rows: "QuerySet[PaymentInTheBooks]", by: str) -> list[dict[str, Any]]:
    """`by`, means, count and sum."""
    found: Any = rows.values(by, "means").annotate(sum=Round(Sum("amount"), 2), count=Count("pk"))
    return list(found.order_by(by, "means"))


def rows(first: date, last: date, regie: int | None) -> Iterator[tuple[Cell, ...]]:
    """A payment a row, the oldest of the books first."""
    accounts = {one.code: one.account for one in ways.every().values()}
    slip = DepositLine.objects.filter(payment=OuterRef("pk"), cancelled=False).values("slip__number")[:1]
    found = (
        of_days(first, last, regie).annotate(slip=Subquery(slip)).select_related("household", "recorded_by")
    )
    for one in found.order_by("book_day", "pk").iterator(chunk_size=A_BITE):
        yield (
            one.book_day, one.number, one.paid_on, one.household.number, one.get_means_display(),
            accounts.get(one.means, ""), one.reference, one.amount, person(one.recorded_by),
            one.slip or "",
        )  # fmt: skip


def late(first: date, last: date, regie: int | None) -> "QuerySet[Payment]":
    """Paid on a closed day, in the books of these days."""
    return (
        Payment.objects.validated()
        .filter(~Q(booked_on=None), booked_on__gte=first, booked_on__lte=last, regie=regie)
        .order_by("booked_on", "pk")
    )


def render(found: Takings, today: date, regie: int | None) -> bytes:
    """The PDF of the book."""
    return pdf.draw(
        "billing/cash_book.html",
        {
            "issuer": invoicing.issuer_of(regies.facts(regie)),
            "takings": found,
            "first": short_day(found.first, year=True),
            "last": short_day(found.last, year=True),
            "made_on": short_day(today, year=True),
        },
        STYLE,
        identifier=f"journal-{found.first:%Y%m%d}-{found.last:%Y%m%d}",
    )
