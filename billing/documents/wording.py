"""What pages show of invoices: states and lines in words, loaded in a fixed number of queries."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from itertools import groupby
from typing import Any, NamedTuple

from django.db.models import (
    Case,
    CharField,
    Exists,
    ExpressionWrapper,
    F,
    Q,
    QuerySet,
    Subquery,
    Value,
    When,
)
from django.db.models.functions import Round
from django.utils import timezone

from billing.models import (
    ONLINE_OPEN,
    Invoice,
    InvoiceLine,
    InvoiceQuerySet,
    InvoiceState,
    OnlinePayment,
    OnlineState,
    Payment,
    PaymentAllocation,
    PaymentState,
    is_reversed,
    state_of,
)
from billing.models.invoices import MONEY, next_instalment
from billing.models.means import label
from billing.payments import starting
from billing.payments.starting import InvoiceToPay
from billing.rules import vat
from families.models import Household
from portal.database.composed import Composed, Given
from portal.database.kept import once_a_page
from portal.french import moments
from portal.french.amounts import euros, number
from portal.french.dates import day_number, month_name, short_day

HOME_ROWS = 6  # invoices, and payments, on the home page
REFUSED_SHOWN = timedelta(days=15)
FETCHED = 10  # rows read for each row shown, so that many payments hide no invoice, and none that is due


@dataclass(frozen=True)
class ShownLine:
    label: str
    activity: str
    days: str
    quantity: str
    unit_price: str
    amount: str
    explanation: str


@dataclass(frozen=True)
class ShownInvoice:
    """An invoice in words; `groups` are a child's name and its lines. `reference` is that of a payment
    under way at a bank's page, `debited_on` the day of a debit asked of the bank."""

    invoice: InvoiceToPay
    state: InvoiceState
    reference: str
    debited_on: date | None
    total: str
    left: str
    paid: str
    credited: str
    written_off: str
    groups: list[tuple[str, list[ShownLine]]]

    @property
    def to_pay(self) -> bool:
        return self.state not in (InvoiceState.PAID, InvoiceState.CLOSED)

    @property
    def payable(self) -> bool:
        """Whether it waits for its family alone."""
        return self.to_pay and not self.reference and self.debited_on is None


def invoices(rows: InvoiceQuerySet, today: date, *, limit: int | None = None) -> list[ShownInvoice]:
    """The invoices with balance and lines, newest first, in two queries."""
    found = starting.on_their_way(rows.with_balance()).prefetch_related("lines")
    return [_shown(invoice, today) for invoice in (found[:limit] if limit else found)]


class AccountRow(NamedTuple):
    """An invoice or a payment as the home page lists it; `due_on` and `left` are an invoice's."""

    what: str
    pk: int
    number: str
    day: date
    due_on: date
    amount: Decimal
    left: Decimal
    written_off: Decimal
    state: str
    means: str
    kind: str  # of a payment
    at_bank: bool  # an invoice that is being paid at a bank's page
    by_debit: bool  # or by a debit asked for
    part: Decimal | None  # what is asked for on `due_on`, where it is paid in several times
    owing: bool  # whether any invoice of the household is left to pay

    @property
    def month_name(self) -> str:
        return month_name(self.day)

    @property
    def asked(self) -> Decimal:
        return self.left if self.part is None else self.part

    @property
    def on_its_way(self) -> bool:
        return self.at_bank or self.by_debit

    @property
    def label(self) -> str:
        return str(
            PaymentState(self.state).label if self.what == "payment" else InvoiceState(self.state).label
        )

    @property
    def means_label(self) -> str:
        return label(self.means)

    @property
    def kind_label(self) -> str:
        return str(Payment.Kind(self.kind).label)


@dataclass(frozen=True)
class HomeMoney:
    """What the home page shows of a household's money."""

    invoices: list[AccountRow]
    payments: list[AccountRow]
    owing: bool
    due: list[AccountRow]

    @property
    def total_due(self) -> Decimal:
        """What the next due dates ask for."""
        return sum((row.asked for row in self.due), Decimal(0))

    def left_after(self, under_way: Sequence[OnlinePayment]) -> Decimal:
        """What stays to be paid once these open payments came: what they do not pay of their invoices too."""
        asked = sum((row.left for row in self.invoices if row.at_bank), Decimal(0))
        came = sum((payment.amount for payment in under_way), Decimal(0))
        return self.total_due + max(asked - came, Decimal(0))


@once_a_page
def at_home(household: Household, today: date) -> HomeMoney:
    """Read once a page, in one query, whatever the number of blocks that need it."""
    rows = [AccountRow(*row) for row in _last_rows(household=household.pk)]
    invoices = [
        row._replace(state=state_of(row.amount, row.left, row.due_on, today, row.written_off).value)
        for row in rows
        if row.what == "invoice"
    ]
    payments = [row for row in rows if row.what == "payment"]
    due = sorted((row for row in invoices if row.left > 0 and not row.on_its_way), key=lambda row: row.due_on)
    owing = any(row.owing for row in rows)
    return HomeMoney(invoices[:HOME_ROWS], payments[:HOME_ROWS], owing, due)


@once_a_page
def online_at_home(household: Household, today: date) -> list[OnlinePayment]:
    """Online payments that are no money yet, latest first: open ones and, for some days, failed ones."""
    # A refusal is no news once everything is paid.
    owing = at_home(household, today).owing
    found = _online(
        timezone.get_current_timezone_name(), owing, household=household.pk, since=today - REFUSED_SHOWN
    )
    for payment in found:
        payment.household = household
    return found


@Composed
def _online(zone: str, owing: bool) -> "QuerySet[OnlinePayment]":
    failed = [OnlineState.DISPUTED, *([OnlineState.REFUSED] if owing else [])]
    recent = Q(state__in=failed, started_at__date__gte=Given("since"))
    return OnlinePayment.objects.filter(Q(state__in=ONLINE_OPEN) | recent, household=Given("household"))[
        :HOME_ROWS
    ]


@Composed
def _last_rows() -> "QuerySet[Any, tuple[Any, ...]]":
    """As AccountRow, the states of invoices left open: the household's last invoices and payments."""
    nothing = Value("", output_field=CharField())
    mine = Invoice.objects.with_balance().filter(household=Given("household"))
    owing = Exists(mine.filter(left__gt=Decimal(0)))
    first = next_instalment().values("up_to")[:1]
    part = Round(
        ExpressionWrapper(Subquery(first) - F("total") + F("left"), output_field=MONEY), 2, output_field=MONEY
    )
    columns = (
        "what",
        "row",
        "number",
        "day",
        "due",
        "sum",
        "rest",
        "gone",
        "status",
        "how",
        "nature",
        "at_bank",
        "by_debit",
        "part",
        "owing",
    )
    of_invoices = mine.annotate(
        what=Value("invoice", output_field=CharField()),
        row=F("pk"),
        day=F("month"),
        due=F("pay_by"),
        sum=F("total"),
        rest=F("left"),
        gone=F("written_off"),
        status=nothing,
        how=nothing,
        nature=nothing,
        at_bank=starting.is_paid_online(),
        by_debit=starting.is_debited(),
        part=part,
        owing=owing,
    )
    of_payments = Payment.objects.filter(household=Given("household")).annotate(
        what=Value("payment", output_field=CharField()),
        row=F("pk"),
        day=F("paid_on"),
        due=F("paid_on"),
        sum=F("amount"),
        rest=F("amount"),
        gone=Value(Decimal(0), output_field=MONEY),
        status=Case(When(is_reversed(), then=Value(PaymentState.CANCELLED)), default=F("state")),
        how=F("means"),
        nature=F("kind"),
        at_bank=Value(False),
        by_debit=Value(False),
        part=Value(None, output_field=MONEY),
        owing=owing,
    )
    rows = (
        of_invoices.order_by()
        .values_list(*columns)
        .union(of_payments.order_by().values_list(*columns), all=True)
    )
    return rows.order_by("-day", "-row")[: HOME_ROWS * FETCHED]


def _shown(invoice: InvoiceToPay, today: date) -> ShownInvoice:
    return ShownInvoice(
        invoice,
        invoice.state_on(today),
        invoice.reference or "",
        invoice.debited_on,
        euros(invoice.total),
        euros(max(invoice.left, Decimal(0))),
        euros(invoice.paid) if invoice.paid else "",
        euros(invoice.credited) if invoice.credited else "",
        euros(invoice.written_off) if invoice.written_off else "",
        grouped(invoice.lines.all()),
    )


def grouped(lines: Iterable[InvoiceLine]) -> list[tuple[str, list[ShownLine]]]:
    """Lines by child, in the document's order."""
    return [
        (name or "Divers", [_line(line) for line in group])
        for name, group in groupby(lines, key=lambda line: line.child_name)
    ]


def vat_of(lines: Iterable[tuple[Decimal, Decimal]]) -> list[str]:
    """« TVA 10 % : 3,45 € HT + 0,35 € = 3,80 € TTC », a line a rate; of lines (rate, amount)."""
    return [
        f"TVA {number(one.rate)}\xa0% : {euros(one.net)} HT + {euros(one.vat)} = {euros(one.gross)} TTC"
        for one in vat.by_rate(lines)
    ]


def _line(line: InvoiceLine) -> ShownLine:
    return ShownLine(
        line.label,
        line.activity_name,
        days_of(line.days),
        number(line.quantity),
        euros(line.unit_price),
        euros(line.amount),
        line.explanation,
    )


def days_of(days: Iterable[str]) -> str:
    """Of days as a line keeps them."""
    return days_in_words([date.fromisoformat(day) for day in days])


def days_in_words(days: list[date]) -> str:
    """« 2, 3, 5 et 6 novembre ; 1er décembre »."""
    months = []
    for _, group in groupby(sorted(days), key=month_name):
        *before, last = group
        months.append(moments.listing([*(day_number(day.day) for day in before), short_day(last)]))
    return " ; ".join(months)


def payments_of(invoice: Invoice) -> list[PaymentAllocation]:
    """What paid it, oldest first."""
    return list(
        invoice.allocations.filter(payment__state=PaymentState.VALIDATED)
        .select_related("payment")
        .order_by("payment__paid_on", "pk")
    )
