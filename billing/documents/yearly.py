"""« Attestation fiscale »: what a household paid in a calendar year for the care of its young children.

CGI, article 200 quater B: the credit rests on « dépenses effectivement supportées pour la garde des enfants
âgés de moins de six ans ». So an amount counts

- when it is *paid*: allocations of validated payments, in the year of the payment. A refund or a payment sent
  back by the bank has taken its part out of the allocations, and so lowers the year in which it was paid;
- for its *care* alone (BOI-IR-RICI-300, § 140): a payment is spread over all lines of its invoice in
  proportion, and each line counts for the share its tariff had when it was issued
  (`InvoiceLine.care_percent`; meals have none unless the town itemises one). A credit note lowers all lines
  of its invoice alike: what may be paid, not its proportions;
- for the household that paid it: with alternating custody, each its own payments.

    spread(amount, weights) -> [Decimal]             cents that add up to the amount
    care(paid, births, year) -> {child: Decimal}      pure: rows in, amounts out
    certificates(households, year) -> [Certificate]   four queries whatever their number
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db.models import F, QuerySet
from django.db.models.functions import ExtractYear
from django.utils import timezone

from billing.documents import pdf
from billing.invoices import invoicing, regies
from billing.models import InvoiceLine, PaymentAllocation, PaymentState
from billing.rules.pricing import rounded
from families.models import Child, Guardian, Household
from portal.french.amounts import euros
from portal.french.dates import short_day

STYLES = tuple(
    Path(settings.BASE_DIR) / "templates" / "billing" / name
    for name in ("invoice.css", "tax_certificate.css")
)
ZERO = Decimal("0.00")
CHUNK = 100
AGE = 6


class NotYet(Exception):
    """The year is not over: no certificate; the message says from when, in French."""


# Pure ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class CertificateLine:
    """A line of an invoice: euros (negative: taken back), and the share of it that is care, 0 to 100."""

    child: int | None
    amount: Decimal
    care_percent: Decimal


@dataclass(frozen=True)
class Paid:
    """What one payment pays of one invoice, and all lines of that invoice (their sum is positive)."""

    amount: Decimal
    lines: tuple[CertificateLine, ...]


def born_from(year: int) -> date:
    """The first birth date that counts in tax year `year`: 1 January, six years before.

    « Âgés de moins de six ans au 1er janvier de l'année d'imposition » (CGI, art. 200 quater B;
    BOI-IR-RICI-300, § 30). The administration reads it by the year of birth, so that a child born on
    1 January still counts: « pour la déclaration 2024 des revenus 2023, il doit être né en 2017 ou après »
    (service-public.fr, fiche F8).
    """
    return date(year - AGE, 1, 1)


def spread(amount: Decimal, weights: Sequence[Decimal]) -> list[Decimal]:
    """`amount` (euros and cents) in proportion to `weights` (euros and cents, their sum positive).

    Rounded to cents by the largest remainder: the parts add up to the amount, each is less than a cent away
    from its exact value, and none exceeds its weight while the amount does not exceed their sum.
    """
    shares = [_cents(weight) for weight in weights]
    whole, cents = sum(shares), _cents(amount)
    if whole <= 0:
        raise ValueError("Nothing to spread an amount over.")
    parts = [divmod(cents * share, whole) for share in shares]
    missing = cents - sum(part for part, _ in parts)
    first = sorted(range(len(parts)), key=lambda place: (-parts[place][1], place))[:missing]
    return [Decimal(part + (place in first)).scaleb(-2) for place, (part, _) in enumerate(parts)]


def _cents(amount: Decimal) -> int:
    return int(amount.scaleb(2))


def care(paid: Iterable[Paid], births: Mapping[int, date], year: int) -> dict[int, Decimal]:
    """What was paid in `year` for the care of each child young enough; children with nothing are left out.

    A credit line lowers its child's amount, never below zero. The sum never exceeds what was paid: money
    that a credit of another year brought is not counted a second time.
    """
    young = born_from(year)
    exact: dict[int, Decimal] = defaultdict(Decimal)
    limit = ZERO
    for one in paid:
        limit += one.amount
        for line, part in zip(
            one.lines, spread(one.amount, [line.amount for line in one.lines]), strict=True
        ):
            if line.child is not None and line.care_percent and births[line.child] >= young:
                exact[line.child] += part * line.care_percent / 100
    amounts = {child: rounded(amount) for child, amount in exact.items() if rounded(amount) > 0}
    if sum(amounts.values()) > limit:
        amounts = dict(zip(amounts, spread(limit, list(amounts.values())), strict=True))
    return {child: amount for child, amount in amounts.items() if amount}


# Certificates -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ChildCare:
    """A line of the certificate."""

    child: Child
    amount: Decimal

    @property
    def born_on(self) -> str:
        return short_day(self.child.birth_date, year=True)


@dataclass(frozen=True)
class Certificate:
    """What one household paid in a year, child by child, the eldest first. `payer`: who gets the invoices."""

    year: int
    household: Household
    payer: str
    children: tuple[ChildCare, ...]
    regies: frozenset[int | None] = frozenset()

    @property
    def issued_by(self) -> int | None:
        """The régie that all of it was paid to; the town's own, where it was several."""
        return next(iter(self.regies)) if len(self.regies) == 1 else None

    @property
    def total(self) -> Decimal:
        return sum((one.amount for one in self.children), ZERO)

    @property
    def rows(self) -> list[tuple[Child, str, str]]:
        """Child, date of birth and amount in words."""
        return [(one.child, one.born_on, euros(one.amount)) for one in self.children]

    @property
    def identifier(self) -> str:
        return f"{self.year}-{self.household.number}"

    @property
    def file_name(self) -> str:
        return f"Attestation-fiscale-{self.identifier}.pdf"


def over_from(year: int) -> date:
    """The day from which the year's certificate is given: the first one after it."""
    return date(year + 1, 1, 1)


def is_over(year: int, today: date) -> bool:
    return today >= over_from(year)


def check_over(year: int, today: date) -> None:
    """Raises NotYet until the year is over."""
    if not is_over(year, today):
        raise NotYet(f"L'attestation fiscale {year} sera disponible à partir du {available_from(year)}.")


def available_from(year: int) -> str:
    return short_day(over_from(year), year=True)


def _paid_care(**more: Any) -> QuerySet[Any]:
    """Lines with care of a child young enough, once a payment of them; annotated with its `year`.

    `more` filters the same payments: a filter added later would speak of any other of the invoice.
    """
    return (
        InvoiceLine.objects.filter(
            care_percent__gt=0,
            amount__gt=0,
            invoice__allocations__payment__state=PaymentState.VALIDATED,
            **more,
        )
        .annotate(
            year=ExtractYear("invoice__allocations__payment__paid_on"), born=ExtractYear("child__birth_date")
        )
        .filter(born__gte=F("year") - AGE)
        .order_by()
    )


def years_of(households: QuerySet[Household]) -> list[int]:
    """The years in which the households paid some care, the last one first; one query."""
    found = _paid_care(invoice__household__in=households).values_list("year", flat=True)
    return sorted(found.distinct(), reverse=True)


def years() -> list[int]:
    """The years in which anybody paid some care, the last one first; one query."""
    return sorted(_paid_care().values_list("year", flat=True).distinct(), reverse=True)


def households_of(year: int) -> QuerySet[Household]:
    """Who paid some care in the year, in the order of their numbers."""
    paid = _paid_care(invoice__allocations__payment__paid_on__year=year)
    return Household.objects.filter(pk__in=paid.values("invoice__household_id")).order_by("pk")


def certificates(households: Collection[Household], year: int) -> list[Certificate]:
    """The certificates of the year, in the order of `households`; without children where nothing counts."""
    keys = [household.pk for household in households]
    allocations = list(
        PaymentAllocation.objects.filter(
            invoice__household__in=keys, payment__state=PaymentState.VALIDATED, payment__paid_on__year=year
        )
        .order_by("payment__paid_on", "pk")
        .values_list("invoice__household_id", "invoice_id", "invoice__regie_id", "amount")
    )
    lines: dict[int, list[CertificateLine]] = defaultdict(list)
    for invoice, child, part, percent in (
        InvoiceLine.objects.filter(invoice__in={invoice for _, invoice, _, _ in allocations})
        .order_by("invoice_id", "position")
        .values_list("invoice_id", "child_id", "amount", "care_percent")
    ):
        lines[invoice].append(CertificateLine(child, part, percent))
    paid: dict[int, list[Paid]] = defaultdict(list)
    billed_by: dict[int, set[int | None]] = defaultdict(set)
    for home, invoice, regie, amount in allocations:
        paid[home].append(Paid(amount, tuple(lines[invoice])))
        billed_by[home].add(regie)
    children = Child.objects.in_bulk(
        {line.child for of_invoice in lines.values() for line in of_invoice if line.child is not None}
    )
    births = {pk: child.birth_date for pk, child in children.items()}
    payers: dict[int, list[str]] = defaultdict(list)
    for guardian in Guardian.objects.filter(household__in=keys, is_payer=True):
        payers[guardian.household_id].append(str(guardian))
    found = []
    for household in households:
        amounts = care(paid[household.pk], births, year)
        eldest_first = sorted(amounts, key=lambda pk: (births[pk], pk))
        rows = tuple(ChildCare(children[pk], amounts[pk]) for pk in eldest_first)
        found.append(
            Certificate(
                year,
                household,
                " et ".join(payers[household.pk]),
                rows,
                frozenset(billed_by[household.pk]),
            )
        )
    return found


def _chunks(households: QuerySet[Household]) -> Iterator[list[Household]]:
    chunk: list[Household] = []
    for household in households.iterator(chunk_size=CHUNK):
        chunk.append(household)
        if len(chunk) == CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


# On paper -----------------------------------------------------------------------------------------------


def printed(certificate: Certificate, *, at: datetime) -> bytes:
    """The certificate's PDF, as of `at` (aware). Raises NotYet before the year is over."""
    return next(_printed([certificate], at=at))[1]


def all_printed(year: int, *, at: datetime) -> Iterator[tuple[str, bytes]]:
    """Name and PDF of every household's certificate, some households at a time. Raises NotYet, at once."""
    check_over(year, timezone.localtime(at).date())
    return (
        printed
        for chunk in _chunks(households_of(year))
        for printed in _printed((one for one in certificates(chunk, year) if one.children), at=at)
    )


def _printed(found: Iterable[Certificate], *, at: datetime) -> Iterator[tuple[str, bytes]]:
    issuers: dict[int | None, dict[str, str]] = {}
    made_on = timezone.localtime(at).date()
    for certificate in found:
        check_over(certificate.year, made_on)
        regie = certificate.issued_by
        if regie not in issuers:
            issuers[regie] = invoicing.issuer_of(regies.facts(regie))
        context = {
            "certificate": certificate,
            "issuer": issuers[regie],
            "household": certificate.household,
            "rows": certificate.rows,
            "total": euros(certificate.total),
            "made_on": short_day(made_on, year=True),
        }
        content = pdf.draw(
            "billing/tax_certificate.html",
            context,
            *STYLES,
            identifier=f"attestation-{certificate.identifier}",
        )
        yield certificate.file_name, content
