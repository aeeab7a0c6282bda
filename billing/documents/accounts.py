"""« Mon compte » of a household: its balance in words, its movements with what they left."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from pathlib import Path

from django.conf import settings
from django.db.models import F, QuerySet, Sum
from django.db.models.functions import Round
from django.urls import reverse

from billing.documents import pdf
from billing.invoices import invoicing, ledger, regies
from billing.models import AccountEntry, BillingSettings, EntryKind, Invoice, Payment
from families.models import Household, household_number
from portal.files.handing_over import Cell
from portal.french.amounts import euros
from portal.french.dates import short_day

STYLE = Path(settings.BASE_DIR) / "templates" / "billing" / "invoice.css"
COLUMNS = ("Date", "Date de valeur", "Mouvement", "Pièce", "Montant", "Solde")
ALL_COLUMNS = ("Foyer", "Solde", "Depuis le")
A_BITE = 500
ZERO = Decimal("0.00")
OWN_FIRST = F("regie_id").asc(nulls_first=True)


@dataclass(frozen=True, kw_only=True)
class Movement:
    """A row of the account and the balance after it, in euros; `url`: its document, where it has a page.

    Where a household has to do with several régies, `regie` is the name of this one, and the balance its own.
    """

    entry: AccountEntry
    after: Decimal
    regie: str = ""
    url: str = ""

    @property
    def amount(self) -> str:
        return euros(self.entry.amount)

    @property
    def balance(self) -> str:
        return euros(self.after)

    @property
    def valued_otherwise(self) -> bool:
        return self.entry.value_on != self.entry.booked_on


def movements(entries: "QuerySet[AccountEntry]") -> list[Movement]:
    """Of one household, the oldest first, in one query; one more where there are several régies."""
    after: dict[int | None, Decimal] = defaultdict(lambda: ZERO)
    found = []
    kept = list(entries.order_by("booked_on", "pk"))
    names = regies.named(entry.regie_id for entry in kept)
    for entry in kept:
        after[entry.regie_id] += entry.amount
        found.append(
            Movement(
                entry=entry,
                after=after[entry.regie_id].quantize(ZERO),
                regie=names.get(entry.regie_id, ""),
            )
        )
    return found


def with_documents(shown: Sequence[Movement]) -> list[Movement]:
    """The same, each leading to its document; two queries. What went after its ten years has none."""
    numbers = [one.entry.document for one in shown]
    keys = dict(Invoice.objects.filter(number__in=numbers).values_list("number", "pk"))
    receipts = set(Payment.objects.filter(number__in=numbers).values_list("number", flat=True))
    return [replace(one, url=_url(one.entry, keys, receipts)) for one in shown]


def _url(entry: AccountEntry, invoices: dict[str, int], receipts: Collection[str]) -> str:
    if entry.kind == EntryKind.INVOICE and entry.document in invoices:
        return reverse("billing:invoice", args=[invoices[entry.document]])
    if entry.kind in (EntryKind.PAYMENT, EntryKind.REFUND) and entry.document in receipts:
        return reverse("billing:receipt", args=[entry.document])
    return ""


def standing(balance: Decimal, *, desk: bool = False) -> str:
    """« La mairie vous doit 9,60 €. », to the family or, at the desk, of it."""
    if balance > 0:
        return f"{'La famille doit' if desk else 'Vous devez'} {euros(balance)} à la mairie."
    if balance < 0:
        return f"La mairie {'' if desk else 'vous '}doit {euros(-balance)}{' à la famille' if desk else ''}."
    return "Le compte est à jour." if desk else "Votre compte est à jour."


def balances(found: Sequence[Movement]) -> dict[str, Decimal]:
    """What these movements come to, by the name of each régie; of « » alone, where there is one."""
    return {one.regie: one.after for one in found} or {"": ZERO}


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


def columns(found: Sequence[Movement]) -> tuple[str, ...]:
    """Of the statement as a file."""
    return (*COLUMNS, "Régie") if any(one.regie for one in found) else COLUMNS


def rows(found: Sequence[Movement]) -> Iterator[tuple[Cell, ...]]:
    for one in found:
        entry = one.entry
        yield (
            entry.booked_on,
            entry.value_on,
            entry.get_kind_display(),
            entry.document,
            entry.amount,
            one.after,
            *([one.regie] if one.regie else []),
        )


def render(household: Household, found: Sequence[Movement], today: date) -> bytes:
    """The statement as a PDF, as it stands today."""
    names = " et ".join(str(guardian) for guardian in household.guardians.all())
    context = {
        "household": household,
        "payer": names,
        "issuer": invoicing.issuer_of(BillingSettings.current()),
        "made_on": short_day(today, year=True),
        "standings": standings(balances(found)),
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
