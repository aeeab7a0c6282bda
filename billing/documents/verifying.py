"""Whether the town's books agree: accounts, numbers, counters, seals, triggers, printed files. Reads only.

    verify(files=True, say=…) -> Verified      `say` is called with each part's line as soon as it is known

It goes through households and documents in bites, whatever their number, and sees all at one moment.
"""

import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.db import connection
from django.db.models import BigIntegerField, Count, Exists, F, OuterRef, QuerySet, Sum, Value
from django.db.models.functions import Coalesce, Round

from billing.documents import pdf
from billing.invoices import ledger, regies, sealing
from billing.invoices.numbering import DocumentNumber
from billing.models import (
    AccountEntry,
    CreditNote,
    DepositSlip,
    EntryKind,
    FormerDocument,
    Invoice,
    InvoiceLine,
    InvoicePdf,
    NumberCounter,
    Payment,
    PaymentAllocation,
    PaymentKind,
    Seal,
    WriteOff,
)
from billing.models.accounts import ONE_ROW_EACH
from families.models import Household, household_number
from portal.database import schema
from portal.database.snapshots import at_one_moment
from portal.french.amounts import euros
from portal.french.plurals import counted

HOMES, DOCUMENTS, FILES = 500, 2000, 500  # so many at a time
ZERO = Decimal(0)
# What an account says of a document: its household, its régie, its amount and, of money, its two days.
Said = tuple[Any, ...]


def _nothing(line: str) -> None:
    """Nobody listens."""


@dataclass
class Verified:
    """`faults` are French sentences, in the order of the parts."""

    households: int = 0
    documents: int = 0
    faults: list[str] = field(default_factory=list)

    @property
    def said(self) -> str:
        homes = counted(self.households, "foyer", "foyers")
        what = f"{homes}, {counted(self.documents, 'document', 'documents')}"
        return f"{what} : {_verdict(len(self.faults))}"


def _verdict(faults: int) -> str:
    return counted(faults, "anomalie", "anomalies") if faults else "tout concorde"


def verify(*, files: bool = True, say: Callable[[str], None] = _nothing) -> Verified:
    found = Verified()

    def part(title: str, what: str, faults: Iterable[str]) -> None:
        before = len(found.faults)
        found.faults += faults
        say(f"{title} : {what} : {_verdict(len(found.faults) - before)}.")

    with at_one_moment():
        faults = list(_accounts(found))
        part("Comptes", counted(found.households, "foyer", "foyers"), faults)
        part("Factures", "lignes, totaux et affectations", _sums())
        chains = Chains()
        faults = list(chains.faults())
        part("Séries", f"{chains.series}, {counted(chains.numbers, 'numéro', 'numéros')}", faults)
        part("Compteurs", "le dernier numéro de chaque série", chains.of_counters)
        part("Empreintes", counted(chains.seals, "empreinte", "empreintes"), chains.of_seals)
    pieces = schema.lacking(connection)
    part("Triggers", "protections de la base", (f"{one.name} : cette protection manque." for one in pieces))
    if files:
        part("PDF", counted(InvoicePdf.objects.count(), "imprimé", "imprimés"), _printed())
    return found


# Accounts -----------------------------------------------------------------------------------------------


def _accounts(found: Verified) -> Iterator[str]:
    last = 0
    while bite := list(
        Household.objects.filter(pk__gt=last).order_by("pk").values_list("pk", flat=True)[:HOMES]
    ):
        last = bite[-1]
        found.households += len(bite)
        yield from _accounts_of(bite, found)


def _accounts_of(homes: list[int], found: Verified) -> Iterator[str]:
    """Each document's movement, and each balance: of so many households, in nine queries."""
    said = {
        (kind, number): (home, regie, amount, *days)
        for home, regie, kind, number, amount, *days in AccountEntry.objects.filter(household__in=homes)
        .exclude(kind=EntryKind.CARRIED)
        .values_list("household_id", "regie_id", "kind", "document", "amount", "value_on", "booked_on")
    }
    for kind, number, (home, regie, amount, *days) in _documents(homes):
        found.documents += 1
        movement = said.pop((kind, number), ())
        if movement[:3] != (home, regie, amount):
            yield f"{number} (foyer {household_number(home)}) : le compte ne dit pas {euros(amount)}."
        elif days and list(movement[3:]) != days:
            yield f"{number} (foyer {household_number(home)}) : le compte en dit d'autres jours."
    gone = set(
        FormerDocument.objects.filter(number__in=[number for _, number in said]).values_list(
            "number", flat=True
        )
    )
    for kind, number in said:
        if number not in gone and kind in ONE_ROW_EACH:
            yield f"{number} : le compte nomme une pièce qui n'existe pas."
    documents, accounts = ledger.standing_by_regie(homes), ledger.balances_by_regie(homes)
    for home, regie in sorted({*documents, *accounts}, key=lambda account: (account[0], account[1] or 0)):
        left, balance = documents.get((home, regie), ZERO), accounts.get((home, regie), ZERO)
        if left != balance:
            where = "" if regie is None else f", {regies.named([regie])[regie]}"
            yield (
                f"Foyer {household_number(home)}{where} : le compte dit {euros(balance)}, les pièces"
                f" {euros(left)}."
            )


def _documents(homes: list[int]) -> Iterator[tuple[str, str, Said]]:
    """Kind, number and what the account says of it."""
    for home, regie, number, total in Invoice.objects.filter(household__in=homes).values_list(
        "household_id", "regie_id", "number", "total"
    ):
        yield EntryKind.INVOICE, number, (home, regie, total)
    notes = CreditNote.objects.filter(invoice__household__in=homes)
    for home, regie, number, amount in notes.values_list(
        "invoice__household_id", "invoice__regie_id", "number", "amount"
    ):
        yield EntryKind.CREDIT, number, (home, regie, -amount)
    given_up = WriteOff.objects.filter(invoice__household__in=homes)
    for home, regie, number, amount in given_up.values_list(
        "invoice__household_id", "invoice__regie_id", "number", "amount"
    ):
        yield EntryKind.WRITE_OFF, number, (home, regie, -amount)
    payments = Payment.objects.validated().filter(household__in=homes)
    for home, regie, number, kind, amount, paid_on, booked_on in payments.values_list(
        "household_id", "regie_id", "number", "kind", "amount", "paid_on", "booked_on"
    ):
        yield (
            ledger.OF_PAYMENT[PaymentKind(kind)],
            number,
            (home, regie, -amount, paid_on, booked_on or paid_on),
        )


def _sums() -> Iterator[str]:
    over = Invoice.objects.with_balance().filter(left__lt=ZERO)
    for number, left in over.values_list("number", "left").iterator():
        yield f"{number} : {euros(-left)} de trop sont affectés à cette facture."
    for number, receipt in _crossed().values_list("invoice__number", "payment__number"):
        yield f"{receipt} : ce règlement paie {number}, d'une autre régie."
    used = Payment.objects.order_by().annotate(used=Round(Sum("allocations__amount"), 2))
    for number, amount in used.filter(used__gt=F("amount")).values_list("number", "amount").iterator():
        yield f"{number} : plus de {euros(amount)} de ce règlement sont affectés."
    lines = InvoiceLine.objects.order_by().values(
        "invoice_id", "invoice__number", "invoice__total", "invoice__line_count"
    )
    uneven = lines.annotate(sum=Round(Sum("amount"), 2), count=Count("pk")).exclude(
        sum=F("invoice__total"), count=F("invoice__line_count")
    )
    for number, total in uneven.values_list("invoice__number", "invoice__total").iterator():
        yield f"{number} : ses lignes ne font pas son total de {euros(total)}."
    bare = Invoice.every.filter(~Exists(InvoiceLine.objects.filter(invoice=OuterRef("pk"))), line_count__gt=0)
    for number in bare.values_list("number", flat=True).iterator():
        yield f"{number} : ses lignes manquent."
    noted = CreditNote.objects.filter(line_count__gt=0).annotate(said=Round(Sum("lines__amount"), 2))
    for number, amount in noted.exclude(said=F("amount")).values_list("number", "amount").iterator():
        yield f"{number} : ses lignes ne font pas son montant de {euros(amount)}."
    there = DepositSlip.objects.order_by().annotate(sum=Round(Sum("lines__amount"), 2), count=Count("lines"))
    for slip in there.exclude(sum=F("total"), count=F("line_count")).iterator():
        yield f"{slip.number} : ses règlements ne font pas son total de {euros(slip.total)}."


def _crossed() -> QuerySet[PaymentAllocation]:
    """What of a régie's payment pays an invoice of another one."""
    own, key = Value(0), BigIntegerField()
    return PaymentAllocation.objects.annotate(
        paid_to=Coalesce("payment__regie", own, output_field=key),
        billed_by=Coalesce("invoice__regie", own, output_field=key),
    ).exclude(paid_to=F("billed_by"))


# Numbers, counters, seals -------------------------------------------------------------------------------


class Chains:
    """Every series and year that a document, what is left of one, a counter or a seal bears."""

    def __init__(self) -> None:
        self.numbers, self.seals = 0, 0
        self.of_counters: list[str] = []
        self.of_seals: list[str] = []
        self._counters = {
            (series, year): last
            for series, year, last in NumberCounter.objects.values_list("series", "year", "last")
        }
        self._rows: list[Any] = [
            *(sealing.every(model) for model in sealing.FORMS),
            FormerDocument.objects.all(),
            Seal.objects.all(),
        ]
        self._chains = set(self._counters).union(
            *(rows.order_by().values_list("series", "year").distinct() for rows in self._rows)
        )

    @property
    def series(self) -> str:
        return counted(len(self._chains), "série", "séries")

    def faults(self) -> Iterator[str]:
        """What is missing, number by number; what is wrong with counters and seals is kept beside."""
        for series, year in sorted(self._chains):
            reached, known, previous = 0, 0, sealing.GENESIS
            while sequences := self._next(series, year, reached):
                found = self._read(series, year, reached, sequences[-1])
                for sequence, there in sorted(found.documents.items()):
                    if sequence > known + 1:
                        yield _missing(series, year, known + 1, sequence - 1)
                    if there != 1:
                        yield f"{DocumentNumber(series, year, sequence)} : ce numéro sert {there} fois."
                    known = sequence
                self.numbers += len(found.documents)
                self.seals += len(found.seals)
                previous = self._verify(found, previous)
                reached = sequences[-1]
            if reached > known:
                # Its seal is there.
                yield _missing(series, year, known + 1, reached)
            last = self._counters.get((series, year), 0)
            if last != max(reached, known):
                self.of_counters.append(
                    f"Compteur {series}{year} : il dit {last}, le dernier numéro est {max(reached, known)}."
                )

    def _next(self, series: str, year: int, after: int) -> list[int]:
        """The next numbers that anything bears."""
        each = [
            rows.filter(series=series, year=year, sequence__gt=after)
            .order_by("sequence")
            .values_list("sequence", flat=True)[:DOCUMENTS]
            for rows in self._rows
        ]
        return sorted(set(heapq.merge(*each)))[:DOCUMENTS]

    def _read(self, series: str, year: int, after: int, upto: int) -> "Bite":
        def of(rows: Any) -> Any:
            return rows.filter(series=series, year=year, sequence__gt=after, sequence__lte=upto)

        found = Bite(series, year, {one.sequence: one for one in of(Seal.objects.all())})
        for model, forms in sealing.FORMS.items():
            there = list(of(sealing.every(model)).order_by().values_list("sequence", flat=True))
            found.documents.update(there)
            versions = {one: found.seals[one].version for one in there if one in found.seals}
            for version in {*versions.values()}.intersection(range(1, len(forms) + 1)):
                for one, _ in sealing.written(model, version, of(sealing.every(model))):
                    if versions.get(one.sequence) == version:
                        found.texts[one.sequence] = one
        for sequence, kept in of(FormerDocument.objects.all()).values_list("sequence", "sha256"):
            found.documents[sequence] += 1
            found.former[sequence] = kept
        return found

    def _verify(self, found: "Bite", previous: str) -> str:
        """Of the seals of a bite; the hash of its last one."""
        for sequence in sorted({*found.seals, *found.documents}):
            one, text = found.seals.get(sequence), found.texts.get(sequence)
            if one is None:
                number = DocumentNumber(found.series, found.year, sequence)
                self.of_seals.append(f"{number} : cette pièce n'a pas d'empreinte.")
                continue
            if one.previous != previous:
                self.of_seals.append(f"{one.number} : son empreinte ne suit pas la précédente.")
            previous = one.hash
            if text is not None:
                mark = sealing.hashed(one.version, one.previous, text.text)
                of_it = (text.number, mark) == (one.number, one.hash)
            elif sequence in found.former:
                # Of what went since it was sealed, the chain alone is left.
                of_it = one.version != Seal.OF_A_FORMER_ONE or found.former[sequence] == one.hash
            else:
                # In no form that is known; or gone, and then its number is missing.
                of_it = sequence not in found.documents
            if not of_it:
                self.of_seals.append(f"{one.number} : la pièce n'est plus celle qui a été émise.")
        return previous


@dataclass
class Bite:
    """What is found of some numbers of a series and year, by their rank."""

    series: str
    year: int
    seals: dict[int, Seal]
    documents: Counter[int] = field(default_factory=Counter)
    texts: dict[int, sealing.Written] = field(default_factory=dict)
    former: dict[int, str] = field(default_factory=dict)


def _missing(series: str, year: int, first: int, last: int) -> str:
    if first == last:
        return f"{DocumentNumber(series, year, first)} : ce numéro manque."
    run = f"{DocumentNumber(series, year, first)} à {DocumentNumber(series, year, last)}"
    return f"{run} : ces numéros manquent."


# Printed files ------------------------------------------------------------------------------------------


def _printed() -> Iterator[str]:
    for one in InvoicePdf.objects.select_related("invoice").order_by("pk").iterator(chunk_size=FILES):
        try:
            pdf.content(one, f"Le fichier de la facture {one.invoice.number}")
        except pdf.PdfLost as lost:
            yield str(lost)
