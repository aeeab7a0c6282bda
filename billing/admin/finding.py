"""« Rechercher » finds an invoice or a credit note by its number: « F2026-42 », « avoir 2026 000042 »."""

import re
from collections.abc import Iterable
from typing import Any

from django.db.models import CharField, F, QuerySet, Value
from django.urls import reverse

from billing.invoices.numbering import DocumentNumber
from billing.models import CreditNote, Invoice, NumberCounter
from families.models import household_number
from portal.desk import finding, rights
from portal.desk.finding import Found, Group, Typed
from portal.desk.own_choices import looking
from portal.french.amounts import euros

INVOICES, NOTES = looking(Invoice), looking(CreditNote)
# « facture n° F2026-000042 »; a series is letters, and who calls may leave it out.
NUMBER = re.compile(
    r"(?:facture|avoir|relevé)?\s*(?:n°)?\s*([a-z]{0,8})\s*(20\d\d)[\s-]+(\d{1,9})", re.IGNORECASE
)
MOST = 12


class Documents:
    """Invoices and credit notes, in two queries."""

    def is_for(self, user: Any) -> bool:
        return any(map(user.has_perm, (*INVOICES, *NOTES)))

    def find(self, typed: Typed, user: Any) -> Iterable[Group]:
        said = NUMBER.fullmatch(typed.text)
        if said is None:
            return
        series, year, sequence = said[1].upper(), int(said[2]), int(said[3])
        counters = NumberCounter.objects.filter(year=year)
        known = [series] if series else list(counters.values_list("series", flat=True).order_by("series"))
        numbers = [str(DocumentNumber(one, year, sequence)) for one in known]
        invoices = _rows(rights.seen_by(user, Invoice.objects.all(), *INVOICES), numbers, "invoice")
        notes = _rows(rights.seen_by(user, CreditNote.objects.all(), *NOTES), numbers, "creditnote")
        yield Group("Factures et avoirs", [_found(*row) for row in invoices.union(notes, all=True)[:MOST]])


def _rows(rows: QuerySet[Any], numbers: list[str], kind: str) -> QuerySet[Any, Any]:
    to = "" if kind == "invoice" else "invoice__"
    amount = "total" if kind == "invoice" else "amount"
    named = (
        rows.filter(number__in=numbers)
        .order_by()
        .annotate(
            kind_of=Value(kind, CharField()),
            worth=F(amount),
            home=F(f"{to}household"),
            debtor=F(f"{to}payer"),
        )
    )
    found: QuerySet[Any, Any] = named.values_list("kind_of", "pk", "number", "worth", "home", "debtor")
    return found


def _found(kind: str, pk: int, number: str, worth: Any, home: int, debtor: str) -> Found:
    title = f"{'Facture' if kind == 'invoice' else 'Avoir'} n°\xa0{number}"
    notes = (euros(worth), debtor, f"Foyer n°\xa0{household_number(home)}")
    return Found(title, reverse(f"admin:billing_{kind}_change", args=[pk]), [note for note in notes if note])


finding.register(30, Documents())
