"""What notices say, in a mail or on paper; decides nothing and writes nothing.

addresses(households) -> {household: [address]}     whom their mails go to
addressees(households) -> {household: Addressees}   the same, and whose news are printed: no mail reaches them
issue(invoice), reminder(invoices, facts, late)     what the mails show
letters(households, at, settings) -> [Letter]       what their letters of a reminding say, a letter a régie
draw(letters, at) -> bytes                          their PDF, a page or more each
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import groupby
from pathlib import Path
from typing import TypeAlias
from urllib.parse import urlencode

from django.conf import settings as django_settings
from django.db.models import Exists, F, OuterRef, QuerySet
from django.urls import reverse
from django.utils import timezone
from django_stubs_ext import WithAnnotations

from billing.documents import credit_notes, pdf, wording
from billing.invoices import invoicing, regies
from billing.models import (
    Balance,
    BillingSettings,
    CreditNote,
    InstalmentPlan,
    Invoice,
    InvoiceNotice,
    Issuer,
    WriteOff,
    pay_by,
)
from billing.payments import plans
from families.models import Guardian, Household, household_number
from portal.french import moments
from portal.french.amounts import euros
from portal.french.dates import short_day
from portal.letters import paper
from portal.letters.mailing import Addressees

STYLE = Path(django_settings.BASE_DIR) / "templates" / "billing" / "reminder.css"
LEVELS = ("Avis de facture", "Première relance", "Deuxième relance", "Dernière relance")
IN_A_CODE = 10  # invoices that an address names: a QR code must stay readable
IN_A_REFERENCE = 4  # invoices that a transfer's reference names: banks keep 140 characters


class ToTell(Balance):
    """What is read of an invoice to tell of it: `rum`, its household's mandate, empty without any."""

    rum: str


class Reminders(Balance):
    """How often an invoice was reminded of, and when the last time."""

    reminders: int
    reminded_at: datetime | None


class Steps(Reminders):
    """What is read of an invoice to remind of it: the due date that was missed last where it is paid in
    several times (`late_on`), and the level of the last reminder of that one, 0 without any."""

    late_on: date | None
    level: int


InvoiceToTell: TypeAlias = "WithAnnotations[Invoice, ToTell]"
RemindedInvoice: TypeAlias = "WithAnnotations[Invoice, Reminders]"
InvoiceInSteps: TypeAlias = "WithAnnotations[Invoice, Steps]"


def reached() -> QuerySet[Guardian]:
    """Whoever receives the invoices and has a login with an address."""
    return Guardian.objects.filter(is_payer=True, user__is_active=True).exclude(user__email="")


def addresses(households: Iterable[int]) -> dict[int, list[str]]:
    """The addresses of each household, none twice; households that no mail reaches have no key."""
    found: dict[int, list[str]] = {}
    rows = reached().filter(household__in=set(households)).order_by("pk")
    for household, address in rows.values_list("household", "user__email"):
        found.setdefault(household, [])
        if address not in found[household]:
            found[household].append(address)
    return found


def addressees(households: Iterable[int]) -> dict[int, Addressees]:
    """Whom news of money go to, of each household: its payers with an address; where there is none, paper,
    if the household is one of the town hall's. Two queries."""
    keys = set(households)
    mails = addresses(keys)
    here = Household.objects.filter(state=Household.State.ACCEPTED, erased_at=None, joined_to=None)
    silent = set(here.filter(pk__in=keys - set(mails)).values_list("pk", flat=True))
    return {
        # Nobody is greeted by name: a mail about money goes to an address.
        key: Addressees(((one, "") for one in mails.get(key, ())), key, on_paper=key in silent)
        for key in keys
    }


@dataclass(frozen=True)
class WaysToPay:
    """A way to pay, and what to know for it."""

    name: str
    text: str


def means(issuer: dict[str, str], reference: str) -> list[WaysToPay]:
    """The town's ways to pay besides online, from what an invoice copies of it."""
    bic = f", BIC {issuer['bic']}" if issuer.get("bic") else ""
    post = issuer.get("cheque_address") or f"{issuer.get('name', '')}\n{issuer.get('address', '')}"
    where = ", ".join(line.strip() for line in post.splitlines() if line.strip())
    found = [
        ("iban", "Par virement", f"IBAN {issuer.get('iban')}{bic}, référence {reference}"),
        (
            "cheque_payable_to",
            "Par chèque",
            f"à l'ordre de {issuer.get('cheque_payable_to')}, à envoyer à : {where}",
        ),
        ("desk", "Sur place", issuer.get("desk", "")),
    ]
    return [WaysToPay(name, text) for key, name, text in found if issuer.get(key)]


def _of_month(invoice: Invoice) -> str:
    """« de novembre 2026 », « d'octobre 2026 »."""
    name = invoice.month_name
    return f"d'{name}" if name[0] in "ao" else f"de {name}"


def issue(invoice: InvoiceToTell, *, on_paper: bool = False) -> dict[str, object]:
    """What the mail of an issued invoice shows; `on_paper`, with its lines, for who opens no page."""
    left = max(invoice.left, Decimal(0))
    return {
        "invoice": invoice,
        "of_month": _of_month(invoice),
        "total": euros(invoice.total),
        "settled": euros(invoice.total - left) if left < invoice.total else "",
        "left": euros(left) if left else "",
        "due_on": moments.day(invoice.pay_by, year=True),
        "rum": invoice.rum if left else "",
        "online": bool(invoice.issuer.get("portal")),
        "means": means(invoice.issuer, invoice.number),
        "path": reverse("billing:invoice", args=[invoice.pk]),
        "lines": wording.grouped(invoice.lines.all()) if on_paper else [],
        "name": "",
    }


def credit(note: CreditNote) -> dict[str, object]:
    """What the mail of a credit note shows."""
    return {
        "note": note,
        "amount": euros(note.amount),
        "of_month": _of_month(note.invoice),
        "becomes": credit_notes.becomes(note),
        "path": reverse("billing:credit_note", args=[note.number]),
        "name": "",
    }


def given_up(row: WriteOff) -> dict[str, object]:
    """What the mail of a debt that is no longer asked for shows."""
    return {
        "row": row,
        "amount": euros(row.amount),
        "of_month": _of_month(row.invoice),
        "remission": row.kind == WriteOff.Kind.REMISSION,
        "decided_on": short_day(row.decided_on, year=True),
        "path": reverse("billing:invoice", args=[row.invoice_id]),
        "name": "",
    }


@dataclass(frozen=True)
class Owed:
    """A line of a reminder."""

    number: str
    month_name: str
    of_month: str
    total: str
    settled: str
    left: str
    due_on: str


def late_of(invoices: Collection[RemindedInvoice], today: date) -> dict[int, Decimal]:
    """What is asked for of invoices (keys) that are reminded of: all that is left, or, paid in several times,
    what was due before today. One query, where any is paid so."""
    agreed = plans.among(invoices)
    return {one.pk: _late(agreed.get(one.pk), one.total, one.left, today) for one in invoices}


def _late(plan: plans.Schedule | None, total: Decimal, left: Decimal, today: date) -> Decimal:
    return left if plan is None else plan.asked_by(total - left, today - timedelta(days=1))


def _owed(invoice: Invoice, left: Decimal, until: date, late: Decimal) -> Owed:
    """`late`: what is asked for of what is left."""
    return Owed(
        invoice.number,
        invoice.month_name if late == left else f"{invoice.month_name}, en plusieurs fois",
        _of_month(invoice),
        euros(invoice.total),
        euros(invoice.total - left),
        euros(late),
        short_day(until, year=True),
    )


def _pay_path(invoices: Sequence[Invoice]) -> str:
    """The pay page with these invoices ticked; all are where there are too many to name."""
    named = [("facture", invoice.pk) for invoice in invoices] if len(invoices) <= IN_A_CODE else []
    return reverse("billing:pay") + (f"?{urlencode(named)}" if named else "")


def _reference(invoices: Sequence[Invoice]) -> str:
    """What a payment names: its invoices, or the household when they are many."""
    if len(invoices) <= IN_A_REFERENCE:
        return ", ".join(invoice.number for invoice in invoices)
    return f"foyer {household_number(invoices[0].household_id)}"


def reminder(
    invoices: Sequence[InvoiceInSteps], facts: Issuer, late: Mapping[int, Decimal]
) -> dict[str, object]:
    """What a household's mail shows of its invoices of one régie as they were before it; each asks
    for what is `late` (`late_of`)."""
    issuer = invoicing.issuer_of(facts)
    last = any(invoice.level + 1 == InvoiceNotice.LAST_REMINDER for invoice in invoices)
    return {
        "invoices": [_owed(one, one.left, one.pay_by, late[one.pk]) for one in invoices],
        "left": euros(sum((late[one.pk] for one in invoices), Decimal(0))),
        "again": any(invoice.reminders for invoice in invoices),
        "last": last,
        "notice": facts.reminder_notice if last else "",
        "online": bool(issuer["portal"]),
        "means": means(issuer, _reference(invoices)),
        "path": _pay_path(invoices) if issuer["portal"] else reverse("billing:invoices"),
        "name": "",
    }


# On paper --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Letter:
    """A household's letter, in words already, from the `issuer`."""

    household: Household
    title: str
    payer: str
    owed: list[Owed]
    total: str
    first: bool
    last: bool
    means: list[WaysToPay]
    pay_url: str
    issuer: dict[str, str]
    notice: str

    @property
    def code(self) -> pdf.Code | None:
        return pdf.code(self.pay_url) if self.pay_url else None


def letters(households: Sequence[int], at: datetime, settings: BillingSettings) -> list[Letter]:
    """The letters to households (by pk, and in that order) of the reminding asked for at that moment.

    They say what was left then. Two queries, one more where there are further régies.
    """
    payers: dict[int, list[str]] = {pk: [] for pk in households}
    for guardian in Guardian.objects.filter(household__in=households, is_payer=True):
        payers[guardian.household_id].append(str(guardian))
    rows = InvoiceNotice.objects.filter(
        sent_at=at, level__gt=InvoiceNotice.ISSUE, invoice__household__in=households
    ).select_related("invoice__household")
    own_first = F("invoice__regie_id").asc(nulls_first=True)
    order = ("invoice__household", own_first, "pay_by", "invoice__sequence")
    settled = OuterRef("invoice__total") - OuterRef("left")
    parted = InstalmentPlan.objects.filter(invoice=OuterRef("invoice"), ended_at=None)
    rows = rows.annotate(pay_by=pay_by("invoice__", settled), parted=Exists(parted))
    kept = list(rows.order_by(*order))
    facts = regies.facts_of((notice.invoice.regie_id for notice in kept), settings)
    issuers = {regie: invoicing.issuer_of(one) for regie, one in facts.items()}
    agreed = plans.of([one.invoice_id for one in kept if one.parted])
    today = timezone.localdate(at)
    late = {
        one.invoice_id: _late(agreed.get(one.invoice_id), one.invoice.total, one.left, today) for one in kept
    }
    found = []
    for (_, regie), group in groupby(kept, key=_whose):
        notices, issuer = list(group), issuers[regie]
        invoices = [notice.invoice for notice in notices]
        home, level = invoices[0].household, max(notice.level for notice in notices)
        found.append(
            Letter(
                household=home,
                title=LEVELS[level],
                payer=" et ".join(payers[home.pk]) or invoices[-1].payer,
                owed=[_owed(one.invoice, one.left, one.pay_by, late[one.invoice_id]) for one in notices],
                total=euros(sum((late[notice.invoice_id] for notice in notices), Decimal(0))),
                first=level == 1,
                last=level == InvoiceNotice.LAST_REMINDER,
                means=means(issuer, _reference(invoices)),
                pay_url=f"{issuer['portal']}{_pay_path(invoices)}" if issuer["portal"] else "",
                issuer=issuer,
                notice=facts[regie].reminder_notice,
            )
        )
    return found


def _whose(notice: InvoiceNotice) -> tuple[int, int | None]:
    return notice.invoice.household_id, notice.invoice.regie_id


def draw(found: Sequence[Letter], at: datetime) -> bytes:
    context = {"letters": found, "day": short_day(timezone.localtime(at).date(), year=True)}
    name = f"relances-{found[0].household.number}-{len(found)}-{at:%Y%m%d%H%M%S}"
    return pdf.draw("billing/reminder.html", context, paper.STYLE, STYLE, identifier=name)
