"""« Mon compte » of a household: its balance in words, its movements with what they left."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from pathlib import Path

from django.conf import settings
from django.db.models import QuerySet, Sum
from django.db.models.functions import Round
from django.urls import reverse

from billing.documents import pdf
from billing.invoices import invoicing
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

STYLE = Path(settings.BASE_DIR) / "templates" / "billing" / "invoice.css"
COLUMNS = ("Date", "Date de valeur", "Mouvement", "Pièce", "Montant", "Solde")
ALL_COLUMNS = ("Foyer", "Solde", "Depuis le")
A_BITE = 500
ZERO = Decimal("0.00")


@dataclass(frozen=True, kw_only=True)
class Movement:
    """A row of the account and the balance after it, in euros; `url`: its document, where it has a page;
    `kind`: of a debt that is no longer asked for, which one."""

    entry: AccountEntry
    after: Decimal
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


def movements(entries: "QuerySet[AccountEntry]", *, desk: bool = False) -> list[Movement]:
    """Of one household, the oldest first, in one query; one more where a debt is no longer asked for. To the
    family, what cannot be collected is only no longer to pay here: it is still owed."""
    after, found = ZERO, []
    rows = list(entries.order_by("booked_on", "pk"))
    given_up = [row.document for row in rows if row.kind == EntryKind.WRITE_OFF]
    kinds = _kinds(given_up, desk=desk) if given_up else {}
    for entry in rows:
        after += entry.amount
        kind = kinds.get(entry.document, "")
        found.append(Movement(entry=entry, after=after.quantize(ZERO), kind=kind))
    return found


def _kinds(numbers: Sequence[str], *, desk: bool) -> dict[str, str]:
    rows = WriteOff.objects.filter(number__in=numbers)
    return {
        row.number: row.get_kind_display() if desk or row.told else "N'est plus à payer en ligne"
        for row in rows
    }


def with_documents(shown: Sequence[Movement]) -> list[Movement]:
    """The same, each leading to its document; three queries. What went after its ten years has none."""
    numbers = [one.entry.document for one in shown]
    keys = dict(Invoice.objects.filter(number__in=numbers).values_list("number", "pk"))
    receipts = set(Payment.objects.filter(number__in=numbers).values_list("number", flat=True))
    notes = set(CreditNote.objects.filter(number__in=numbers).values_list("number", flat=True))
    return [replace(one, url=_url(one.entry, keys, receipts | notes)) for one in shown]


def _url(entry: AccountEntry, invoices: dict[str, int], others: Collection[str]) -> str:
    if entry.kind == EntryKind.INVOICE and entry.document in invoices:
        return reverse("billing:invoice", args=[invoices[entry.document]])
    if entry.kind in (EntryKind.PAYMENT, EntryKind.REFUND) and entry.document in others:
        return reverse("billing:receipt", args=[entry.document])
    if entry.kind == EntryKind.CREDIT and entry.document in others:
        return reverse("billing:credit_note", args=[entry.document])
    return ""


def standing(balance: Decimal, *, desk: bool = False) -> str:
    """« La mairie vous doit 9,60 €. », to the family or, at the desk, of it."""
    if balance > 0:
        return f"{'La famille doit' if desk else 'Vous devez'} {euros(balance)} à la mairie."
    if balance < 0:
        return f"La mairie {'' if desk else 'vous '}doit {euros(-balance)}{' à la famille' if desk else ''}."
    return "Le compte est à jour." if desk else "Votre compte est à jour."


def rows(found: Sequence[Movement]) -> Iterator[tuple[Cell, ...]]:
    for one in found:
        entry = one.entry
        yield (
            entry.booked_on,
            entry.value_on,
            one.name,
            entry.document,
            entry.amount,
            one.after,
        )


def render(household: Household, found: Sequence[Movement], today: date) -> bytes:
    """The statement as a PDF, as it stands today."""
    names = " et ".join(str(guardian) for guardian in household.guardians.all())
    balance = found[-1].after if found else ZERO
    context = {
        "household": household,
        "payer": names,
        "issuer": invoicing.issuer_of(BillingSettings.current()),
        "made_on": short_day(today, year=True),
        "standing": standing(balance),
        "movements": found,
    }
    return pdf.draw(
        "billing/account_statement.html",
        context,
        STYLE,
        identifier=f"releve-{household.number}-{today:%Y%m%d}",
    )


# Of everybody ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Account:
    """Where a household stands, and since when it has owed, or been owed, without a break."""

    household: int
    balance: Decimal
    since: date


def unsettled(which: str) -> "QuerySet[AccountEntry, tuple[int, Decimal]]":
    """Household and balance of each account that is not at zero; `which`: "owes", "owed" or "" for both.
    The greatest amounts first. Rounded: SQLite adds in binary, and what is settled must leave zero."""
    found = (
        AccountEntry.objects.filter(household__isnull=False)
        .order_by()
        .values("household")
        .annotate(balance=Round(Sum("amount"), 2))
    )
    if which == "owes":
        found = found.filter(balance__gt=0).order_by("-balance", "household")
    elif which == "owed":
        found = found.filter(balance__lt=0).order_by("balance", "household")
    else:
        found = found.exclude(balance=0).order_by("household")
    return found.values_list("household", "balance")


def since(shown: Collection[tuple[int, Decimal]]) -> list[Account]:
    """The same accounts, in one query, with the day on which each began to be as it is."""
    days: dict[int, date] = {}
    sums: dict[int, Decimal] = defaultdict(lambda: ZERO)
    owing = {household: balance > 0 for household, balance in shown}
    entries = AccountEntry.objects.filter(household__in=owing).order_by("booked_on", "pk")
    for household, amount, day in entries.values_list("household_id", "amount", "booked_on"):
        before, sums[household] = sums[household], sums[household] + amount
        if before == 0 or (before > 0) != owing[household]:
            days[household] = day
    return [
        Account(household=household, balance=Decimal(balance).quantize(ZERO), since=days[household])
        for household, balance in shown
    ]


def all_rows(found: "QuerySet[AccountEntry, tuple[int, Decimal]]") -> Iterator[tuple[Cell, ...]]:
    """Bite by bite, for a file."""
    for first in range(0, found.count(), A_BITE):
        for one in since(list(found[first : first + A_BITE])):
            yield household_number(one.household), one.balance, one.since
