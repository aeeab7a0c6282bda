"""The only writer of households' accounts: a row for each document, in the transaction that writes it.

    billed(invoices)          what a family owes by them
    credited(note)            what a credit note takes off
    paid(payments)            validated money that came, or, negative, went back

The caller holds the households' rows. A balance is the sum of the rows up to a day; over all days it is what is
left to pay of the invoices, less what payments still hold: `standing` says it from the documents.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable
from datetime import date, datetime
from decimal import Decimal

from django.db.models import F, QuerySet, Sum
from django.utils import timezone

from billing.models import AccountEntry, CreditNote, EntryKind, Invoice, Payment, PaymentAllocation
from billing.models import PaymentState as State
from portal.database.final import append_only

LEDGER = append_only(
    "billing.ledger",
    "Un mouvement de compte ne change plus : un autre le corrige.",
    AccountEntry,
    may_move={"household_id"},
)
ZERO = Decimal("0.00")


def billed(invoices: Iterable[Invoice]) -> None:
    _write(_entry(EntryKind.INVOICE, one.household_id, one.total, _day(one), one.number) for one in invoices)


def credited(note: CreditNote) -> None:
    home = note.invoice.household_id
    _write([_entry(EntryKind.CREDIT, home, -note.amount, _day(note), note.number)])


def paid(payments: Iterable[Payment], *, at: datetime | None = None) -> None:
    """Of each its row, once it is validated: what waits for the bank moves nothing. `at`: when the bank
    answered, of one that waited."""
    _write(
        AccountEntry(
            kind=EntryKind.PAYMENT if one.amount > 0 else EntryKind.REFUND,
            household_id=one.household_id,
            amount=-one.amount,
            value_on=one.paid_on,
            booked_on=timezone.localtime(at or one.recorded_at).date(),
            document=one.number,
        )
        for one in payments
        if one.state == State.VALIDATED
    )


def _write(entries: Iterable[AccountEntry]) -> None:
    AccountEntry.objects.bulk_create(entries, batch_size=2000)


def _entry(kind: EntryKind, household: int, amount: Decimal, day: date, document: str) -> AccountEntry:
    return AccountEntry(
        kind=kind, household_id=household, amount=amount, value_on=day, booked_on=day, document=document
    )


def _day(document: Invoice | CreditNote) -> date:
    return timezone.localtime(document.issued_at).date()


# What the documents say ------------------------------------------------------------------------------------


def standing(households: Collection[int]) -> dict[int, Decimal]:
    """What the documents of these households come to, in euros, signed as a balance; in four queries.

    What is left to pay of their invoices, less what their payments still hold and what was not given back.
    """
    found: dict[int, Decimal] = defaultdict(lambda: ZERO)
    invoices = Invoice.objects.filter(household__in=households)
    payments = Payment.objects.validated().filter(household__in=households)
    used = PaymentAllocation.objects.filter(payment__household__in=households, payment__state=State.VALIDATED)
    for home, left in invoices.with_balance().values_list("household_id", "left"):
        found[home] += left
    for home, amount in _sums(payments, "household_id"):
        found[home] -= amount
    for home, amount in _sums(used, "payment__household_id"):
        found[home] += amount
    return {home: amount.quantize(ZERO) for home, amount in found.items()}


def balances(households: Collection[int]) -> dict[int, Decimal]:
    """What their accounts say, in one query; a household without a row is not in it."""
    entries = AccountEntry.objects.filter(household__in=households)
    return {home: amount.quantize(ZERO) for home, amount in _sums(entries, "household_id")}


def _sums(rows: "QuerySet[AccountEntry] | QuerySet[Payment] | QuerySet[PaymentAllocation]", home: str):
    return rows.order_by().values_list(F(home)).annotate(sum=Sum("amount"))
