"""What documents come to by code of the budget: lines of invoices, and what was cashed over any dates.

    Span(first, last)             two days, both included, of every régie or of one
    Weights.of(invoices)          of each invoice, its lines summed by code, less what credit notes took back
    cashed(span)                  receipts of the books, by code

A line says the codes of the day it was issued; one of before, without any, those its formula has today.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, TypeAlias, TypeVar

from django.db.models import Model, QuerySet, Sum

from billing.documents.yearly import spread
from billing.invoices.budget import Code, Codes
from billing.models import (
    CreditNote,
    CreditNoteLine,
    InvoiceLine,
    JournalAccounts,
    Payment,
    PaymentAllocation,
    PaymentState,
)
from billing.models.payments import PaymentInTheBooks
from billing.rules import vat
from portal.files.handing_over import Cell

A_BITE = 500
ZERO = Decimal("0.00")
COLUMNS = ("Code analytique", "Compte", "Encaissé")
UNUSED = "Pas affecté à une facture, ou rendu"
ByCode: TypeAlias = dict[Code, Decimal]
M = TypeVar("M", bound=Model)


@dataclass(frozen=True)
class Span:
    """Two days, both included; `only`: the one régie that is meant (None: the town's own), or nothing."""

    first: date
    last: date
    only: tuple[int | None, ...] = ()

    def of(self, rows: "QuerySet[M]", path: str = "regie") -> "QuerySet[M]":
        """Those of its régie; `path` leads to it."""
        if not self.only:
            return rows
        (regie,) = self.only
        return rows.filter(**{f"{path}__isnull": True} if regie is None else {path: regie})


@dataclass(frozen=True)
class Weights:
    """How lines are summed by code. An account that nobody said is that of the journal's revenue; VAT is on
    its own, where the journal has one."""

    codes: Codes
    accounts: JournalAccounts

    @classmethod
    def today(cls) -> "Weights":
        """In two queries."""
        return cls(Codes.today(), JournalAccounts.current())

    def of(self, invoices: Collection[int]) -> dict[int, ByCode]:
        """Of invoices, by their keys, in one query; one whose lines are gone is not in it."""
        lines = InvoiceLine.objects.filter(invoice__in=invoices)
        return self._summed(
            lines.values("invoice", "analytic_code", "account_code", "formula", "vat_percent")
        )

    def of_notes(self, notes: Collection[int]) -> dict[int, ByCode]:
        """The same of credit notes, in one query, as far as they say which lines they take back."""
        lines = CreditNoteLine.objects.filter(note__in=notes, line__isnull=False)
        return self._summed(
            lines.values(
                "note", "line__analytic_code", "line__account_code", "line__formula", "line__vat_percent"
            )
        )

    def left_of(self, invoices: Collection[int]) -> dict[int, ByCode]:
        """Of invoices, what credit notes leave of their lines; in three queries. All of them, where nothing
        is left to say in which proportion."""
        whole = self.of(invoices)
        notes = dict(CreditNote.objects.filter(invoice__in=invoices).values_list("pk", "invoice_id"))
        left = {invoice: dict(by_code) for invoice, by_code in whole.items()}
        for note, by_code in (self.of_notes(notes) if notes else {}).items():
            for code, amount in by_code.items():
                left[notes[note]][code] = left[notes[note]].get(code, ZERO) - amount
        return {key: found if sum(found.values()) > 0 else whole[key] for key, found in left.items()}

    def _summed(self, lines: "QuerySet[Any, Any]") -> dict[int, ByCode]:
        """`lines`: what they are of, analytic code, account, formula and rate of VAT of each."""
        found: dict[int, ByCode] = defaultdict(lambda: defaultdict(lambda: ZERO))
        rows = lines.annotate(sum=Sum("amount")).order_by(*lines.query.values_select)
        for row in rows:
            key, analytic, account, formula, rate, amount = row.values()
            code = Code(analytic, account) if analytic or account else self.codes.of(formula)
            code = code._replace(account=code.account or self.accounts.revenue)
            gross = Decimal(amount).quantize(ZERO)
            net = vat.net_of(gross, rate) if rate and self.accounts.vat else gross
            found[key][code] += net
            if gross != net:
                found[key][code._replace(account=self.accounts.vat)] += gross - net
        return found


def shared(amount: Decimal, weights: ByCode) -> ByCode:
    """`amount` in proportion to weights whose sum is not nought, to the cent; the parts add up to it."""
    sign = 1 if sum(weights.values()) > 0 else -1
    parts = spread(sign * amount, [sign * weight for weight in weights.values()])
    return dict(zip(weights, parts, strict=True))


# What was cashed ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Cashed:
    """Receipts of the books by code, in euros; `unused` of them pays no invoice. `total` is their sum."""

    by_code: Sequence[tuple[Code, Decimal]]
    unused: Decimal
    total: Decimal

    def rows(self) -> Iterator[tuple[Cell, ...]]:
        for code, amount in self.by_code:
            yield code.analytic, code.account, amount
        if self.unused:
            yield UNUSED, "", self.unused
        yield "Total", "", self.total


def cashed(span: Span) -> Cashed:
    """What entered the books from one day to another, shared by the lines of the invoices it pays now.

    Each payment of an invoice has what all up to it make, less what those before it made: so a paid invoice
    gave each code exactly its lines, however many payments it took. Money given back, and what pays nothing,
    is of no code. Bite by bite, whatever the number of payments.
    """
    weights = Weights.today()
    found: ByCode = defaultdict(lambda: ZERO)
    total, after = ZERO, 0
    payments = in_the_books(span)
    while bite := list(payments.filter(pk__gt=after).order_by("pk").values_list("pk", "amount")[:A_BITE]):
        after = bite[-1][0]
        total += sum((amount for _, amount in bite), ZERO)
        for code, amount in _parts([key for key, _ in bite], weights):
            found[code] += amount
    by_code = sorted((code, amount.quantize(ZERO)) for code, amount in found.items() if amount)
    return Cashed(by_code, total - sum((amount for _, amount in by_code), ZERO), total)


def in_the_books(span: Span) -> "QuerySet[PaymentInTheBooks]":
    rows = Payment.objects.in_the_books()
    return span.of(rows.filter(book_day__gte=span.first, book_day__lte=span.last))


def _parts(payments: Collection[int], weights: Weights) -> Iterator[tuple[Code, Decimal]]:
    """Of each allocation of these payments, what it gives to each code; in four queries."""
    concerned = PaymentAllocation.objects.filter(payment__in=payments).values("invoice")
    allocations = (
        PaymentAllocation.objects.filter(invoice__in=concerned, payment__state=PaymentState.VALIDATED)
        .order_by("invoice", "payment__booked_on", "payment__paid_on", "payment")
        .values_list("invoice_id", "payment_id", "amount", "payment__booked_on", "payment__paid_on")
    )
    of_invoice: dict[int, list[tuple[date, int, Decimal]]] = defaultdict(list)
    for invoice, payment, amount, booked_on, paid_on in allocations:
        of_invoice[invoice].append((booked_on or paid_on, payment, amount))
    asked = set(payments)
    for invoice, by_code in weights.left_of(of_invoice).items():
        before, gave = ZERO, dict.fromkeys(by_code, ZERO)
        for _, payment, amount in sorted(of_invoice[invoice]):
            before += amount
            makes = shared(before, by_code)
            if payment in asked:
                yield from ((code, part - gave[code]) for code, part in makes.items())
            gave = makes
