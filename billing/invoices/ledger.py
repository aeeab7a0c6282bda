"""The only writer of households' accounts: a row for each document, in the transaction that writes it.

    billed(invoices)          what a family owes by them; of a statement, what is carried over
    taken_over(pairs)         statements that an invoice takes over: their amount is in it from now on
    credited(note)            what a credit note takes off
    written_off(row)          what the town hall no longer asks for
    paid(payments)            validated money that came, went back, moved, or was undone

The caller holds the households' rows. A balance is the sum of the rows up to a day; over all days it is what
is left to pay of the invoices, less what payments still hold: `standing` says it from the documents.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any, TypeAlias

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
    WriteOff,
)
from billing.models import PaymentState as State
from portal.database.composed import Composed, Given
from portal.database.final import append_only

LEDGER = append_only(
    "billing.ledger",
    "Un mouvement de compte ne change plus : un autre le corrige.",
    AccountEntry,
    may_move={"household_id"},
)
ZERO = Decimal("0.00")
# A household and a régie, by key; None: the town's own.
Account: TypeAlias = tuple[int, int | None]
# What each kind of payment is in the account. What came back of a refund is money that came.
OF_PAYMENT = {
    PaymentKind.PAYMENT: EntryKind.PAYMENT,
    PaymentKind.BACK: EntryKind.PAYMENT,
    PaymentKind.REFUND: EntryKind.REFUND,
    PaymentKind.REVERSAL: EntryKind.REVERSAL,
    PaymentKind.TRANSFER: EntryKind.TRANSFER,
}


def billed(invoices: Iterable[Invoice]) -> None:
    _write(_entry(_kind(one), one, one.total, _day(one), one.number) for one in invoices if one.total)


def taken_over(pairs: Iterable[tuple[Invoice, Invoice | CreditNote]]) -> None:
    """Of each statement and what has its amount now: the invoice with its lines, or a credit note."""
    _write(_entry(EntryKind.CARRIED, one, -one.total, _day(invoice), one.number) for one, invoice in pairs)


def _kind(document: Invoice) -> EntryKind:
    return EntryKind.CARRIED if document.kind == Invoice.Kind.CARRIED else EntryKind.INVOICE


def credited(note: CreditNote) -> None:
    _write([_entry(EntryKind.CREDIT, note.invoice, -note.amount, _day(note), note.number)])


def written_off(row: WriteOff) -> None:
    _write([_entry(EntryKind.WRITE_OFF, row.invoice, -row.amount, _day(row), row.number)])


def paid(payments: Iterable[Payment]) -> None:
    """Of each its row, once it is validated: what waits for the bank moves nothing."""
    _write(
        AccountEntry(
            kind=OF_PAYMENT[PaymentKind(one.kind)],
            household_id=one.household_id,
            regie_id=one.regie_id,
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


def _entry(kind: EntryKind, of: Invoice, amount: Decimal, day: date, document: str) -> AccountEntry:
    """A movement of the household and the régie of that invoice."""
    return AccountEntry(
        kind=kind,
        household_id=of.household_id,
        regie_id=of.regie_id,
        amount=amount,
        value_on=day,
        booked_on=day,
        document=document,
    )


def _day(document: Invoice | CreditNote | WriteOff) -> date:
    return timezone.localtime(document.issued_at).date()


# What the documents say ------------------------------------------------------------------------------------


def standing(households: Collection[int]) -> dict[int, Decimal]:
    """What the documents of these households come to, in euros, signed as a balance; in four queries."""
    return _of_households(standing_by_regie(households))


def standing_by_regie(households: Collection[int]) -> dict[Account, Decimal]:
    """The same by household and régie: what is left to pay of their invoices, and what waits for the next
    one, less what their payments hold."""
    found: dict[Account, Decimal] = defaultdict(lambda: ZERO)
    invoices = Invoice.objects.filter(household__in=households)
    payments = Payment.objects.validated().filter(household__in=households)
    used = PaymentAllocation.objects.filter(payment__household__in=households, payment__state=State.VALIDATED)
    for home, regie, left in invoices.with_balance().values_list("household_id", "regie_id", "left"):
        found[home, regie] += left
    waiting = Invoice.every.waiting().filter(household__in=households)
    for home, regie, total in waiting.values_list("household_id", "regie_id", "total"):
        found[home, regie] += total
    for account, amount in _sums(payments):
        found[account] -= amount
    for account, amount in _sums(used, "payment__"):
        found[account] += amount
    return {account: amount.quantize(ZERO) for account, amount in found.items()}


def balances(households: Collection[int]) -> dict[int, Decimal]:
    """What their accounts say, in one query; a household without a row is not in it."""
    return _of_households(balances_by_regie(households))


def balances_by_regie(households: Collection[int]) -> dict[Account, Decimal]:
    if len(households) == 1:
        (home,) = households
        sums = _read(_sums_of_one(home=home))
    else:
        sums = _sums(AccountEntry.objects.filter(household__in=households))
    return {account: amount.quantize(ZERO) for account, amount in sums}


@Composed
def _sums_of_one() -> "QuerySet[Any, dict[str, Any]]":
    return _summed(AccountEntry.objects.filter(household=Given("home")))


def _of_households(found: dict[Account, Decimal]) -> dict[int, Decimal]:
    sums: dict[int, Decimal] = defaultdict(lambda: ZERO)
    for (home, _), amount in found.items():
        sums[home] += amount
    return dict(sums)


def _sums(rows: QuerySet[Any], of: str = "") -> Iterable[tuple[Account, Decimal]]:
    """By household and régie; `of`: what leads there."""
    return _read(_summed(rows, of), of)


def _summed(rows: QuerySet[Any], of: str = "") -> "QuerySet[Any, dict[str, Any]]":
    account = rows.order_by().values(f"{of}household_id", f"{of}regie_id")
    found: QuerySet[Any, dict[str, Any]] = account.annotate(sum=Sum("amount"))
    return found


def _read(rows: Iterable[Mapping[str, Any]], of: str = "") -> Iterable[tuple[Account, Decimal]]:
    for row in rows:
        yield (row[f"{of}household_id"], row[f"{of}regie_id"]), row["sum"]
