"""The only writer of households' accounts: a row for each document, in the transaction that writes it.

    billed(invoices)          what a family owes by them; of a statement, what is carried over
    taken_over(pairs)         statements that an invoice takes over: their amount is in it from now on
    credited(note)            what a credit note takes off
    paid(payments)            validated money that came, went back, moved, or was undone

The caller holds the households' rows. A balance is the sum of the rows up to a day; over all days it is what
is left to pay of the invoices, less what payments still hold: `standing` says it from the documents.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable
from datetime import date
from decimal import Decimal
from typing import Any

from django.db.models import QuerySet, Sum
from django.utils import timezone

from billing.models import (
    AccountEntry,
    CreditNote,
    EntryKind,
    Invoice,
    Payment,
    PaymentAllocation,
    PaymentKind,
)
from billing.models import PaymentState as State
from portal.database.final import append_only

LEDGER = append_only(
    "billing.ledger",
    "Un mouvement de compte ne change plus : un autre le corrige.",
    AccountEntry,
    may_move={"household_id"},
)
ZERO = Decimal("0.00")
# What each kind of payment is in the account. What came back of a refund is money that came.
OF_PAYMENT = {
    PaymentKind.PAYMENT: EntryKind.PAYMENT,
    PaymentKind.BACK: EntryKind.PAYMENT,
    PaymentKind.REFUND: EntryKind.REFUND,
    PaymentKind.REVERSAL: EntryKind.REVERSAL,
    PaymentKind.TRANSFER: EntryKind.TRANSFER,
}


def billed(invoices: Iterable[Invoice]) -> None:
    _write(
        _entry(_kind(one), one.household_id, one.total, _day(one), one.number)
        for one in invoices
        if one.total
    )


def taken_over(pairs: Iterable[tuple[Invoice, Invoice]]) -> None:
    """Of each statement and the invoice that has its lines now."""
    _write(
        _entry(EntryKind.CARRIED, one.household_id, -one.total, _day(invoice), one.number)
        for one, invoice in pairs
    )


def _kind(document: Invoice) -> EntryKind:
    return EntryKind.CARRIED if document.kind == Invoice.Kind.CARRIED else EntryKind.INVOICE


def credited(note: CreditNote) -> None:
    home = note.invoice.household_id
    _write([_entry(EntryKind.CREDIT, home, -note.amount, _day(note), note.number)])


def paid(payments: Iterable[Payment]) -> None:
    """Of each its row, once it is validated: what waits for the bank moves nothing."""
    _write(
        AccountEntry(
            kind=OF_PAYMENT[PaymentKind(one.kind)],
            household_id=one.household_id,
            amount=-one.amount,
            value_on=one.paid_on,
            booked_on=one.booked_on or one.paid_on,
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

    What is left to pay of their invoices, and what waits for the next one, less what their payments hold.
    """
    found: dict[int, Decimal] = defaultdict(lambda: ZERO)
    invoices = Invoice.objects.filter(household__in=households)
    payments = Payment.objects.validated().filter(household__in=households)
    used = PaymentAllocation.objects.filter(payment__household__in=households, payment__state=State.VALIDATED)
    for home, left in invoices.with_balance().values_list("household_id", "left"):
        found[home] += left
    waiting = Invoice.every.waiting().filter(household__in=households)
    for home, total in waiting.values_list("household_id", "total"):
        found[home] += total
    for home, amount in _sums(payments, "household_id"):
        found[home] -= amount
    for home, amount in _sums(used, "payment__household_id"):
        found[home] += amount
    return {home: amount.quantize(ZERO) for home, amount in found.items()}


def balances(households: Collection[int]) -> dict[int, Decimal]:
    """What their accounts say, in one query; a household without a row is not in it."""
    entries = AccountEntry.objects.filter(household__in=households)
    return {home: amount.quantize(ZERO) for home, amount in _sums(entries, "household_id")}


def _sums(rows: QuerySet[Any], home: str) -> Iterable[tuple[int, Decimal]]:
    sums: Iterable[tuple[int, Decimal]] = (
        rows.order_by().values(home).annotate(sum=Sum("amount")).values_list(home, "sum")
    )
    return sums
