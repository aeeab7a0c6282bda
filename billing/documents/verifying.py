"""Whether the town's books agree with each other: accounts, documents, numbers, printed files. Reads only.

It goes through the households in bites, whatever their number.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.db.models import Count, Sum

from billing.documents import pdf
from billing.invoices import ledger
from billing.invoices.numbering import DocumentNumber
from billing.models import (
    AccountEntry,
    CreditNote,
    DepositSlip,
    EntryKind,
    FormerDocument,
    Invoice,
    InvoicePdf,
    NumberCounter,
    Payment,
)
from billing.models.accounts import ONE_ROW_EACH
from billing.payments import deposits, former
from families.models import Household, household_number
from portal.french.amounts import euros
from portal.french.plurals import counted

A_BITE = 500
FORMER = {
    FormerDocument.Kind.INVOICE: Invoice,
    FormerDocument.Kind.CREDIT: CreditNote,
    FormerDocument.Kind.PAYMENT: Payment,
}


@dataclass
class Verified:
    """`faults` are French sentences."""

    households: int = 0
    documents: int = 0
    faults: list[str] = field(default_factory=list)

    @property
    def said(self) -> str:
        homes = counted(self.households, "foyer", "foyers")
        what = f"{homes}, {counted(self.documents, 'document', 'documents')}"
        if not self.faults:
            return f"{what} : tout concorde"
        return f"{what} : {counted(len(self.faults), 'anomalie', 'anomalies')}"


def verify(*, files: bool = True) -> Verified:
    found = Verified()
    last = 0
    while bite := list(
        Household.objects.filter(pk__gt=last).order_by("pk").values_list("pk", flat=True)[:A_BITE]
    ):
        last = bite[-1]
        found.households += len(bite)
        found.faults += _accounts(bite, found)
    found.faults += _numbers()
    found.faults += _slips()
    if files:
        found.faults += _printed()
    return found


def _accounts(homes: list[int], found: Verified) -> Iterator[str]:
    """Each document's movement, and each balance: of so many households, in eight queries."""
    said = {
        (kind, number): (home, amount)
        for home, kind, number, amount in AccountEntry.objects.filter(household__in=homes)
        .exclude(kind=EntryKind.CARRIED)
        .values_list("household_id", "kind", "document", "amount")
    }
    for kind, home, number, amount in _documents(homes):
        found.documents += 1
        if said.pop((kind, number), None) != (home, amount):
            yield f"{number} (foyer {household_number(home)}) : le compte ne dit pas {euros(amount)}."
    gone = set(
        FormerDocument.objects.filter(number__in=[number for _, number in said]).values_list(
            "number", flat=True
        )
    )
    for kind, number in said:
        if number not in gone and kind in ONE_ROW_EACH:
            yield f"{number} : le compte nomme une pièce qui n'existe pas."
    documents, accounts = ledger.standing(homes), ledger.balances(homes)
    for home in homes:
        left, balance = documents.get(home, Decimal(0)), accounts.get(home, Decimal(0))
        if left != balance:
            yield (
                f"Foyer {household_number(home)} : le compte dit {euros(balance)}, les pièces {euros(left)}."
            )


def _documents(homes: list[int]) -> Iterator[tuple[str, int, str, Decimal]]:
    """Kind, household, number and what it moves."""
    for home, number, total in Invoice.objects.filter(household__in=homes).values_list(
        "household_id", "number", "total"
    ):
        yield EntryKind.INVOICE, home, number, total
    notes = CreditNote.objects.filter(invoice__household__in=homes)
    for home, number, amount in notes.values_list("invoice__household_id", "number", "amount"):
        yield EntryKind.CREDIT, home, number, -amount
    payments = Payment.objects.validated().filter(household__in=homes)
    for home, number, amount in payments.values_list("household_id", "number", "amount"):
        yield EntryKind.PAYMENT if amount > 0 else EntryKind.REFUND, home, number, -amount


def _numbers() -> Iterator[str]:
    """Every series and year that a document, or what is left of one, bears."""
    for kind, model in FORMER.items():
        rows: Any = Invoice.every if model is Invoice else model._default_manager
        pairs = set(rows.order_by().values_list("series", "year").distinct())
        pairs |= set(
            FormerDocument.objects.filter(kind=kind).order_by().values_list("series", "year").distinct()
        )
        for series, year in sorted(pairs):
            for sequence in former.gaps(kind, series, year):
                yield f"{DocumentNumber(series, year, sequence)} : ce numéro manque."
    over = Invoice.objects.with_balance().filter(left__lt=Decimal(0))
    for number, left in over.values_list("number", "left").iterator():
        yield f"{number} : {euros(-left)} de trop sont affectés à cette facture."
    uneven = Invoice.every.annotate(said=Sum("lines__amount")).filter(line_count__gt=0)
    for number, total, said in uneven.values_list("number", "total", "said").iterator():
        if said is None or Decimal(said).quantize(total) != total:
            yield f"{number} : ses lignes ne font pas son total de {euros(total)}."


def _slips() -> Iterator[str]:
    """Every slip's number, and what its lines come to."""
    said = DepositSlip.objects.annotate(sum=Sum("lines__amount"), lines_there=Count("lines"))
    stands: dict[tuple[str, int], set[int]] = defaultdict(set)
    for slip in said.order_by("pk").iterator(chunk_size=A_BITE):
        stands[slip.series, slip.year].add(slip.sequence)
        if slip.lines_there != slip.line_count or Decimal(slip.sum or 0).quantize(slip.total) != slip.total:
            yield f"{slip.number} : ses lignes ne font pas son total de {euros(slip.total)}."
    for counter in NumberCounter.objects.filter(series=deposits.SERIES).order_by("year"):
        for sequence in sorted(set(range(1, counter.last + 1)) - stands[counter.series, counter.year]):
            yield f"{DocumentNumber(counter.series, counter.year, sequence)} : ce numéro manque."


def _printed() -> Iterator[str]:
    for one in InvoicePdf.objects.select_related("invoice").order_by("pk").iterator(chunk_size=A_BITE):
        try:
            pdf.content(one, f"Le fichier de la facture {one.invoice.number}")
        except pdf.PdfLost as lost:
            yield str(lost)
