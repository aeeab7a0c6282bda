"""The general journal of any dates: for each movement of the accounts, lines whose debits are its credits.

A movement stands on its day in the books. Families' side is the account of debtors, so that its balance is
that of all households' accounts; the other side is what the document says: an invoice's lines by account,
what a credit note takes back of them, how a payment came.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from django.db.models import Q, QuerySet

from billing.documents.coded import ByCode, Weights, shared
from billing.models import (
    AccountEntry,
    CreditNote,
    EntryKind,
    Invoice,
    JournalAccounts,
    Payment,
    PaymentMeans,
)
from families.models import household_number
from portal.files.handing_over import Cell

A_BITE = 500
ZERO = Decimal("0.00")
COLUMNS = ("Date", "Pièce", "Compte", "Libellé", "Débit", "Crédit")
CASH, CHEQUE, CARD = Payment.Means.CASH, Payment.Means.CHEQUE, Payment.Means.CARD
BILLED = (EntryKind.INVOICE, EntryKind.CREDIT, EntryKind.CARRIED)
BANK = (Payment.Means.ONLINE, Payment.Means.TRANSFER, Payment.Means.DEBIT)


class Line(NamedTuple):
    day: date
    piece: str
    account: str
    label: str
    debit: Decimal
    credit: Decimal

    @property
    def cells(self) -> tuple[Cell, ...]:
        """Nothing, rather than a nought, on the side that is not meant."""
        return (*self[:4], self.debit or None, self.credit or None)


def entries(first: date, last: date) -> "QuerySet[AccountEntry]":
    """The movements from one day of the books to another."""
    return AccountEntry.objects.filter(booked_on__gte=first, booked_on__lte=last)


def lines(first: date, last: date) -> Iterator[Line]:
    """In the order of days; four queries for each five hundred movements."""
    weights, (day, key) = Weights.today(), (first, 0)
    found = entries(first, last).order_by("booked_on", "pk")
    while bite := list(found.filter(Q(booked_on__gt=day) | Q(booked_on=day, pk__gt=key))[:A_BITE]):
        day, key = bite[-1].booked_on, bite[-1].pk
        yield from _of(bite, weights)


def rows(first: date, last: date) -> Iterator[tuple[Cell, ...]]:
    """The same for a file, with the sums at the end."""
    debit = credit = ZERO
    for line in lines(first, last):
        debit, credit = debit + line.debit, credit + line.credit
        yield line.cells
    yield None, "", "", "Total", debit, credit


@dataclass(frozen=True)
class Documents:
    """What the movements of a bite are of."""

    invoices: dict[str, int]
    # Of a credit note, its invoice and whether that is of another year.
    notes: dict[str, tuple[int, bool]]
    means: dict[str, str]
    # Accounts of means that the town gave one.
    towns: dict[str, str]

    @classmethod
    def of(cls, bite: Sequence[AccountEntry]) -> "Documents":
        """In four queries. What went after its ten years is in none."""
        numbers = [one.document for one in bite]
        notes = CreditNote.objects.filter(number__in=numbers)
        of_notes = notes.values_list("number", "invoice_id", "year", "invoice__year")
        return cls(
            dict(Invoice.every.filter(number__in=numbers).values_list("number", "pk")),
            {number: (invoice, year != issued) for number, invoice, year, issued in of_notes},
            dict(Payment.objects.filter(number__in=numbers).values_list("number", "means")),
            dict(PaymentMeans.objects.exclude(account="").values_list("code", "account")),
        )

    @property
    def all_invoices(self) -> set[int]:
        return {*self.invoices.values(), *(invoice for invoice, _ in self.notes.values())}


def _of(bite: Sequence[AccountEntry], weights: Weights) -> Iterator[Line]:
    documents = Documents.of(bite)
    by_code = weights.of(documents.all_invoices)
    for one in bite:
        label = str(one.get_kind_display())
        if one.household_id is not None:
            label = f"{label} – foyer {household_number(one.household_id)}"
        others = _other_side(one, documents, by_code, weights.accounts)
        for account, amount in [
            (weights.accounts.debtors, one.amount),
            *((account, -part) for account, part in others.items()),
        ]:
            if amount:
                sides = max(amount, ZERO), max(-amount, ZERO)
                yield Line(one.booked_on, one.document, account, label, *sides)


def _other_side(
    entry: AccountEntry, documents: Documents, by_code: dict[int, ByCode], accounts: JournalAccounts
) -> dict[str, Decimal]:
    """By account, parts that add up to the movement."""
    invoice, earlier = documents.notes.get(entry.document, (documents.invoices.get(entry.document), False))
    if entry.kind in (EntryKind.PAYMENT, EntryKind.REFUND):
        means = documents.means.get(entry.document, "")
        return {documents.towns.get(means) or _treasury(means, accounts): entry.amount}
    if entry.kind == EntryKind.WRITE_OFF:
        return {accounts.written_off: entry.amount}
    if entry.kind not in BILLED:
        return {accounts.waiting: entry.amount}
    if entry.kind == EntryKind.CREDIT and earlier and accounts.earlier_years:
        return {accounts.earlier_years: entry.amount}
    weights = by_code.get(invoice, {}) if invoice is not None else {}
    if not sum(weights.values()):
        return {accounts.revenue: entry.amount}
    found: dict[str, Decimal] = defaultdict(lambda: ZERO)
    for code, part in shared(entry.amount, weights).items():
        found[code.account] += part
    return found


def _treasury(means: str, accounts: JournalAccounts) -> str:
    """The account of money that came so; what is neither cash nor of the bank is a paper to be cashed."""
    if not means:
        return accounts.waiting
    if means in BANK:
        return accounts.bank
    own = {CASH.value: accounts.cash, CHEQUE.value: accounts.cheques, CARD.value: accounts.cards}
    return own.get(means, accounts.vouchers)
