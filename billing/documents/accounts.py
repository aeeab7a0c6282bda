"""« Mon compte » of a household: its balance in words, its movements with what they left; the statement of
some days, from an opening balance to a closing one.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from django import forms
from django.conf import settings
from django.db.models import CharField, F, IntegerField, QuerySet, Sum, Value
from django.db.models.functions import Cast, Round
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode

from billing.documents import pdf, wording
from billing.invoices import invoicing, ledger, regies
from billing.models import (
    AccountEntry,
    BillingSettings,
    CreditNote,
    EntryKind,
    Invoice,
    Payment,
    WriteOff,
)
from families.models import Household, household_number
from portal.files.handing_over import Cell
from portal.french.amounts import euros
from portal.french.dates import short_day
from portal.french.day_fields import DayField

STYLE = Path(settings.BASE_DIR) / "templates" / "billing" / "invoice.css"
COLUMNS = ("Date", "Date de valeur", "Mouvement", "Pièce", "Montant", "Solde")
ALL_COLUMNS = ("Foyer", "Solde", "Depuis le")
A_BITE = 500
ZERO = Decimal("0.00")
OWN_FIRST = F("regie_id").asc(nulls_first=True)


@dataclass(frozen=True, kw_only=True)
class Movement:
    """A row of the account and the balance after it, in euros; `url`: its document, where it has a page;
    `kind`: of a debt that is no longer asked for, which one.

    Where a household has to do with several régies, `regie` is the name of this one, and the balance its own.
    """

    entry: AccountEntry
    after: Decimal
    regie: str = ""
    url: str = ""
    kind: str = ""

    @property
    def name(self) -> str:
        return self.kind or self.entry.get_kind_display()

    @property
    def amount(self) -> str:
        return euros(self.entry.amount)

    @property
    def balance(self) -> str:
        return euros(self.after)

    @property
    def valued_otherwise(self) -> bool:
        return self.entry.value_on != self.entry.booked_on


@dataclass(frozen=True, kw_only=True)
class Statement:
    """The movements of the days asked for, the oldest first; `opened`: what stood before them, in euros, by
    the name of each régie, of « » alone where there is one.

    `first` and `last` are None where the account's own beginning, or today, is meant. Days are of the books.
    """

    movements: list[Movement]
    opened: Mapping[str, Decimal] = field(default_factory=dict)
    first: date | None = None
    last: date | None = None

    @property
    def closed(self) -> dict[str, Decimal]:
        """What stands after them, likewise."""
        return {**self.opened, **{one.regie: one.after for one in self.movements}} or {"": ZERO}

    @property
    def openings(self) -> list[tuple[str, str]]:
        return [(name, euros(amount)) for name, amount in (self.opened or {"": ZERO}).items()]

    @property
    def closings(self) -> list[tuple[str, str]]:
        return [(name, euros(amount)) for name, amount in self.closed.items()]

    @property
    def of_some_days(self) -> bool:
        return bool(self.first or self.last)


def statement(
    entries: "QuerySet[AccountEntry]",
    first: date | None = None,
    last: date | None = None,
    *,
    desk: bool = False,
) -> Statement:
    """Of one household, in one query; one more where there are several régies, and where a debt is no longer
    asked for."""
    after: dict[int | None, Decimal] = defaultdict(lambda: ZERO)
    found = []
    kept = list(entries.order_by("booked_on", "pk"))
    names = regies.named(entry.regie_id for entry in kept)
    kinds = _given_up((one.document for one in kept if one.kind == EntryKind.WRITE_OFF), desk=desk)
    for entry in kept:
        after[entry.regie_id] = (after[entry.regie_id] + entry.amount).quantize(ZERO)
        found.append(
            Movement(
                entry=entry,
                after=after[entry.regie_id],
                regie=names.get(entry.regie_id, ""),
                kind=kinds.get(entry.document, ""),
            )
        )
    return within(Statement(movements=found), first, last)


def _given_up(numbers: Iterable[str], *, desk: bool) -> dict[str, str]:
    """What each is called. To the family, what cannot be collected is only no longer to pay here: it is still
    owed."""
    asked = list(numbers)
    rows = WriteOff.objects.filter(number__in=asked) if asked else ()
    return {
        row.number: row.get_kind_display() if desk or row.told else "N'est plus à payer en ligne"
        for row in rows
    }


def within(whole: Statement, first: date | None, last: date | None) -> Statement:
    """What of a whole account is of these days."""
    before = [one for one in whole.movements if first and one.entry.booked_on < first]
    shown = whole.movements[len(before) :]
    return Statement(
        movements=[one for one in shown if last is None or one.entry.booked_on <= last],
        opened={**whole.opened, **{one.regie: one.after for one in before}},
        first=first,
        last=last,
    )


class Days(forms.Form):
    """Of which days a statement is asked for; either may be left out."""

    du = DayField(label="Du", required=False)
    au = DayField(label="Au", required=False)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        first, last = cleaned.get("du"), cleaned.get("au")
        if first and last and last < first:
            self.add_error("au", "La période finit avant son début.")
        return cleaned

    @property
    def asked(self) -> tuple[date | None, date | None]:
        """First and last day; none where what was typed makes no sense."""
        if not self.is_valid():
            return None, None
        return self.cleaned_data["du"], self.cleaned_data["au"]

    @property
    def query(self) -> str:
        """« du=2026-01-01&au=2026-12-31 », for the files of the same days."""
        named = zip(("du", "au"), self.asked, strict=True)
        return urlencode({name: day.isoformat() for name, day in named if day})


def whole_years(first_entry: date | None, today: date) -> list[tuple[int, str]]:
    """Each year of the account with its query, the latest first."""
    if first_entry is None:
        return []
    return [
        (year, urlencode({"du": f"{year}-01-01", "au": f"{year}-12-31"}))
        for year in range(today.year, min(first_entry.year, today.year) - 1, -1)
    ]


def with_documents(shown: Sequence[Movement], *, desk: bool = False) -> list[Movement]:
    """The same, each leading to its document, the family's page of it or the desk's; in one query whatever
    their kinds. What went after its ten years leads nowhere."""
    numbers: dict[str, list[str]] = defaultdict(list)
    for one in shown:
        numbers[one.entry.kind].append(one.entry.document)
    parts = [
        page.rows(named)
        .order_by()
        .annotate(place=Value(place, IntegerField()), named=Cast(page.keyed[desk], CharField()))
        .values_list("place", "number", "named")
        for place, (kind, page) in enumerate(PAGES)
        if (named := numbers.get(kind))
    ]
    found = {}
    if parts:
        for place, number, key in parts[0].union(*parts[1:], all=True):
            kind, page = PAGES[place]
            found[str(kind), number] = reverse(page.addresses[desk], args=[key])
    return [replace(one, url=found.get((one.entry.kind, one.entry.document), "")) for one in shown]


@dataclass(frozen=True)
class Page:
    """Where a kind of movement leads: the addresses, and by what they name a document, for the family and at
    the desk."""

    rows: "Callable[[list[str]], QuerySet[Any]]"
    addresses: tuple[str, str]
    keyed: tuple[str, str] = ("pk", "pk")


def _payments(numbers: list[str]) -> "QuerySet[Any]":
    return Payment.objects.filter(number__in=numbers)


def _written_off(of: Invoice.Kind) -> "Callable[[list[str]], QuerySet[Any]]":
    return lambda numbers: WriteOff.objects.filter(number__in=numbers, invoice__kind=of)


RECEIPTS = Page(_payments, ("billing:receipt", "admin:billing_payment_change"), ("number", "pk"))
# A family reads of what is no longer asked for on the invoice, or on the statement, that it is of.
PAGES = (
    (
        EntryKind.INVOICE,
        Page(
            lambda numbers: Invoice.objects.filter(number__in=numbers),
            ("billing:invoice", "admin:billing_invoice_change"),
        ),
    ),
    (
        EntryKind.CARRIED,
        Page(
            lambda numbers: Invoice.every.filter(number__in=numbers),
            ("billing:carried", "admin:billing_payment_carried"),
        ),
    ),
    (
        EntryKind.CREDIT,
        Page(
            lambda numbers: CreditNote.objects.filter(number__in=numbers),
            ("billing:credit_note", "admin:billing_creditnote_change"),
            ("number", "pk"),
        ),
    ),
    *(
        (
            EntryKind.WRITE_OFF,
            Page(_written_off(of), (address, "admin:billing_writeoff_change"), ("invoice", "pk")),
        )
        for of, address in (
            (Invoice.Kind.INVOICE, "billing:invoice"),
            (Invoice.Kind.CARRIED, "billing:carried"),
        )
    ),
    (EntryKind.PAYMENT, RECEIPTS),
    (EntryKind.REFUND, RECEIPTS),
    (EntryKind.REVERSAL, RECEIPTS),
    (EntryKind.TRANSFER, RECEIPTS),
)


def standing(balance: Decimal, *, desk: bool = False) -> str:
    """« La mairie vous doit 9,60 €. », to the family or, at the desk, of it."""
    if balance > 0:
        return f"{'La famille doit' if desk else 'Vous devez'} {euros(balance)} à la mairie."
    if balance < 0:
        return f"La mairie {'' if desk else 'vous '}doit {euros(-balance)}{' à la famille' if desk else ''}."
    return "Le compte est à jour." if desk else "Votre compte est à jour."


def standings(by_regie: Mapping[str, Decimal], *, desk: bool = False) -> list[str]:
    """A sentence a régie: « Centre de loisirs : vous devez 15,00 €. »"""
    return [
        _standing_at(name, balance, desk=desk) if name else standing(balance, desk=desk)
        for name, balance in sorted(by_regie.items(), key=lambda one: (one[0] != regies.OWN, one[0]))
    ]


def _standing_at(name: str, balance: Decimal, *, desk: bool) -> str:
    if balance > 0:
        return f"{name} : {'la famille doit' if desk else 'vous devez'} {euros(balance)}."
    if balance < 0:
        return f"{name} : {euros(-balance)} {'dus à la famille' if desk else 'vous sont dus'}."
    return f"{name} : à jour."


def columns(found: Statement) -> tuple[str, ...]:
    """Of the statement as a file."""
    return (*COLUMNS, "Régie") if any(found.closed) else COLUMNS


def rows(found: Statement) -> Iterator[tuple[Cell, ...]]:
    """For a file: between the two balances where it is of some days."""
    if found.first:
        for regie, amount in (found.opened or {"": ZERO}).items():
            yield (found.first, None, "Solde au début", "", None, amount, *([regie] if regie else []))
    for one in found.movements:
        entry = one.entry
        yield (
            entry.booked_on,
            entry.value_on,
            one.name,
            entry.document,
            entry.amount,
            one.after,
            *([one.regie] if one.regie else []),
        )
    if found.last:
        for regie, amount in found.closed.items():
            yield (found.last, None, "Solde à la fin", "", None, amount, *([regie] if regie else []))


def name_of(household: Household, found: Statement) -> str:
    """« Releve-de-compte-000123-2026-01-01-2026-12-31 », of a file."""
    days = "".join(f"-{day.isoformat()}" for day in (found.first, found.last) if day)
    return f"Releve-de-compte-{household.number}{days}"


def render(household: Household, found: Statement, today: date) -> bytes:
    """The statement as a PDF, as it stands today."""
    names = " et ".join(str(guardian) for guardian in household.guardians.all())
    over = found.last and found.last < today
    context = {
        "household": household,
        "payer": names,
        "issuer": invoicing.issuer_of(BillingSettings.current()),
        "made_on": short_day(today, year=True),
        "first": short_day(found.first, year=True) if found.first else "",
        "last": short_day(found.last, year=True) if found.last else "",
        "standings": [] if over else standings(found.closed),
        "statement": found,
    }
    return pdf.draw(
        "billing/account_statement.html",
        context,
        STYLE,
        identifier=f"releve-{household.number}-{today:%Y%m%d}",
    )


# A month that makes no invoice -----------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Carried:
    """« Relevé reporté » in words: its lines, its total in euros, the invoice that has taken it over, the
    numbers of credit notes that have, or by what it was dropped."""

    document: Invoice
    total: str
    groups: list[tuple[str, list[wording.ShownLine]]]
    taken_by: Invoice | None
    notes: list[str]
    dropped: WriteOff | None = None

    @property
    def over(self) -> bool:
        return bool(self.taken_by or self.notes or self.dropped)

    @property
    def owed(self) -> bool:
        """Whether it still owes the family."""
        return self.document.total < 0 and not self.over

    @property
    def too_small(self) -> bool:
        """Whether it waits to be billed with more."""
        return self.document.total > 0 and not self.over

    @property
    def said(self) -> str:
        """What becomes of it, to the family."""
        return self._said("vous ", "")

    @property
    def said_at_the_desk(self) -> str:
        return self._said("", " à la famille")

    def _said(self, you: str, them: str) -> str:
        total = self.document.total
        if not total:
            return "Ce mois s'équilibre : rien n'est dû."
        if self.taken_by:
            return f"Repris sur la facture n°\xa0{self.taken_by.number}."
        if self.notes:
            return f"Rendu par avoir n°\xa0{' et '.join(self.notes)}."
        if self.dropped:
            on = short_day(timezone.localtime(self.dropped.issued_at).date(), year=True)
            number = self.dropped.number
            return f"Abandonné le {on}, n°\xa0{number} : la mairie ne réclame plus ces {self.total}."
        if total < 0:
            owed = f"La mairie {you}doit {euros(-total)}{them}"
            return f"{owed} : cette somme viendra en déduction de la prochaine facture."
        return f"{self.total} : trop peu pour une facture. Cette somme ira sur la prochaine."


def carried(document: Invoice) -> Carried:
    lines = list(document.lines.all())
    taken = Invoice.objects.filter(lines__carried=document).first()
    notes = document.credited_by.order_by("pk").values_list("note__number", flat=True)
    return Carried(
        document=document,
        total=euros(document.total),
        groups=wording.grouped(lines),
        taken_by=taken,
        notes=list(notes),
        dropped=document.write_offs.first(),
    )


def waiting() -> "QuerySet[Invoice]":
    """The statements that no invoice has taken over yet, the oldest first."""
    return Invoice.every.waiting().filter(household__erased_at=None).order_by("issued_at", "pk")


def draw_carried(found: Carried) -> bytes:
    """The document as a PDF: it says what it is made of, not what became of it, and stays the same."""
    document = found.document
    context = {
        "found": found,
        "document": document,
        "issuer": document.issuer,
        "issued_on": short_day(timezone.localtime(document.issued_at).date(), year=True),
        "owed": document.total < 0,
    }
    return pdf.draw("billing/carried.html", context, STYLE, identifier=document.number)


# Of everybody ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Account:
    """Where a household stands, and since when it has owed, or been owed, without a break."""

    household: int
    regie: int | None
    balance: Decimal
    since: date


def unsettled(which: str) -> "QuerySet[AccountEntry, tuple[int, int | None, Decimal]]":
    """Household, régie and balance of each account that is not at zero; `which`: "owes", "owed" or "" for
    both. The greatest amounts first. Rounded: SQLite adds in binary, and what is settled must leave zero."""
    found = (
        AccountEntry.objects.filter(household__isnull=False)
        .order_by()
        .values("household", "regie")
        .annotate(balance=Round(Sum("amount"), 2))
    )
    if which == "owes":
        found = found.filter(balance__gt=0).order_by("-balance", "household", OWN_FIRST)
    elif which == "owed":
        found = found.filter(balance__lt=0).order_by("balance", "household", OWN_FIRST)
    else:
        found = found.exclude(balance=0).order_by("household", OWN_FIRST)
    return found.values_list("household", "regie", "balance")


def since(shown: Collection[tuple[int, int | None, Decimal]]) -> list[Account]:
    """The same accounts, in one query, with the day on which each began to be as it is."""
    days: dict[ledger.Account, date] = {}
    sums: dict[ledger.Account, Decimal] = defaultdict(lambda: ZERO)
    owing = {(household, regie): balance > 0 for household, regie, balance in shown}
    homes = {household for household, _ in owing}
    entries = AccountEntry.objects.filter(household__in=homes).order_by("booked_on", "pk")
    for *whose, amount, day in entries.values_list("household_id", "regie_id", "amount", "booked_on"):
        account = (whose[0], whose[1])
        before, sums[account] = sums[account], sums[account] + amount
        if account in owing and (before == 0 or (before > 0) != owing[account]):
            days[account] = day
    return [
        Account(
            household=household,
            regie=regie,
            balance=Decimal(balance).quantize(ZERO),
            since=days[household, regie],
        )
        for household, regie, balance in shown
    ]


def all_rows(
    found: "QuerySet[AccountEntry, tuple[int, int | None, Decimal]]", names: Mapping[int | None, str]
) -> Iterator[tuple[Cell, ...]]:
    """Bite by bite, for a file; `names`: of the régies, where there are several."""
    for first in range(0, found.count(), A_BITE):
        for one in since(list(found[first : first + A_BITE])):
            said = [names[one.regie]] if names else []
            yield household_number(one.household), one.balance, one.since, *said
