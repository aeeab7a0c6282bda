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

from billing.documents.coded import ByCode, Span, Weights, shared
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
Means = Payment.Means
BILLED = (EntryKind.INVOICE, EntryKind.CREDIT, EntryKind.CARRIED)
# A transfer takes from one household what it brings to another: no money comes.
MONEY = (EntryKind.PAYMENT, EntryKind.REFUND, EntryKind.REVERSAL)
BANK = (Means.ONLINE.value, Means.TRANSFER.value, Means.DEBIT.value)


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


def entries(span: Span) -> "QuerySet[AccountEntry]":
    """The movements from one day of the books to another."""
    rows = AccountEntry.objects.filter(booked_on__gte=span.first, booked_on__lte=span.last)
    return span.of(rows)


def lines(span: Span) -> Iterator[Line]:
    """In the order of days; at most six queries for each five hundred movements."""
    weights, treasury = Weights.today(), Treasury.today()
    day, key = span.first, 0
    found = entries(span).order_by("booked_on", "pk")
    while bite := list(found.filter(Q(booked_on__gt=day) | Q(booked_on=day, pk__gt=key))[:A_BITE]):
        day, key = bite[-1].booked_on, bite[-1].pk
        yield from _of(bite, weights, treasury)


def rows(span: Span) -> Iterator[tuple[Cell, ...]]:
    """The same for a file, with the sums at the end."""
    debit = credit = ZERO
    for line in lines(span):
        debit, credit = debit + line.debit, credit + line.credit
        yield line.cells
    yield None, "", "", "Total", debit, credit


@dataclass(frozen=True)
class Treasury:
    """Which account money comes into, by its means: the means' own, or that of its nature."""

    own: dict[str, str]

    @classmethod
    def today(cls) -> "Treasury":
        """In one query."""
        return cls(dict(PaymentMeans.objects.exclude(account="").values_list("code", "account")))

    def of(self, means: str, accounts: JournalAccounts) -> str:
        """What is neither cash nor of the bank is a paper to be cashed."""
        natures = {
            "": accounts.waiting,
            Means.CASH.value: accounts.cash,
            Means.CHEQUE.value: accounts.cheques,
            Means.CARD.value: accounts.cards,
            **dict.fromkeys(BANK, accounts.bank),
        }
        return self.own.get(means) or natures.get(means, accounts.vouchers)


class Note(NamedTuple):
    """A credit note; `earlier`: its invoice is of an earlier year."""

    key: int
    invoice: int
    earlier: bool


@dataclass(frozen=True)
class Documents:
    """What the movements of a bite are of, and how their lines are shared by code."""

    invoices: dict[str, int]
    notes: dict[str, Note]
    means: dict[str, str]
    by_code: dict[int, ByCode]
    of_notes: dict[int, ByCode]

    @classmethod
    def of(cls, bite: Sequence[AccountEntry], weights: Weights) -> "Documents":
        """In five queries at most. What went after its ten years is in none."""
        numbers = [one.document for one in bite]
        invoices = dict(Invoice.every.filter(number__in=numbers).values_list("number", "pk"))
        found = CreditNote.objects.filter(number__in=numbers)
        notes = {
            number: Note(key, invoice, year != issued)
            for number, key, invoice, year, issued in found.values_list(
                "number", "pk", "invoice_id", "year", "invoice__year"
            )
        }
        concerned = {*invoices.values(), *(note.invoice for note in notes.values())}
        return cls(
            invoices,
            notes,
            dict(Payment.objects.filter(number__in=numbers).values_list("number", "means")),
            weights.of(concerned),
            weights.of_notes([note.key for note in notes.values()]) if notes else {},
        )


def _of(bite: Sequence[AccountEntry], weights: Weights, treasury: Treasury) -> Iterator[Line]:
    documents, accounts = Documents.of(bite, weights), weights.accounts
    for one in bite:
        label = str(one.get_kind_display())
        if one.household_id is not None:
            label = f"{label} – foyer {household_number(one.household_id)}"
        if one.kind in MONEY:
            others = {treasury.of(documents.means.get(one.document, ""), accounts): one.amount}
        else:
            others = _other_side(one, documents, accounts)
        for account, amount in [
            (accounts.debtors, one.amount),
            *((account, -part) for account, part in others.items()),
        ]:
            if amount:
                sides = max(amount, ZERO), max(-amount, ZERO)
                yield Line(one.booked_on, one.document, account, label, *sides)


def _other_side(entry: AccountEntry, documents: Documents, accounts: JournalAccounts) -> dict[str, Decimal]:
    """By account, parts that add up to the movement."""
    if entry.kind == EntryKind.WRITE_OFF:
        return {accounts.written_off: entry.amount}
    if entry.kind not in BILLED:
        return {accounts.waiting: entry.amount}
    note = documents.notes.get(entry.document)
    if note is None:
        invoice = documents.invoices.get(entry.document, 0)
        return _shared(entry.amount, documents.by_code.get(invoice, {}), accounts)
    of_lines = documents.of_notes.get(note.key, {})
    if note.earlier and accounts.earlier_years:
        # VAT was due of what is taken back, and is no more, whatever the year.
        vat = sum((part for code, part in of_lines.items() if code.account == accounts.vat), ZERO)
        return {accounts.earlier_years: entry.amount + vat, accounts.vat: -vat}
    # What it says of lines, and what is of none of them in proportion to the invoice's.
    found: dict[str, Decimal] = defaultdict(lambda: ZERO)
    for code, part in of_lines.items():
        found[code.account] -= part
    rest = entry.amount + sum(of_lines.values(), ZERO)
    for account, part in _shared(rest, documents.by_code.get(note.invoice, {}), accounts).items():
        found[account] += part
    return found


def _shared(amount: Decimal, weights: ByCode, accounts: JournalAccounts) -> dict[str, Decimal]:
    if not sum(weights.values()):
        return {accounts.revenue: amount}
    found: dict[str, Decimal] = defaultdict(lambda: ZERO)
    for code, part in shared(amount, weights).items():
        found[code.account] += part
    return found
