"""Deposit slips: one in words, on paper, and the list of all as files."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.db.models import QuerySet

from billing.documents import pdf
from billing.invoices import invoicing, regies
from billing.models import DepositCancellation, DepositLine, DepositSlip
from billing.payments import deposits
from billing.payments import means as ways
from families.desk_cells import person
from portal.files.handing_over import Cell
from portal.french.amounts import euros
from portal.french.dates import short_day
from portal.french.plurals import counted

STYLE = Path(settings.BASE_DIR) / "templates" / "billing" / "invoice.css"
COLUMNS = (
    "Bordereau", "Remis le", "Moyen", "Compte", "Reçu", "Payeur", "Référence", "Montant", "Rejeté", "Annulé",
)  # fmt: skip
A_BITE = 200


@dataclass(frozen=True)
class ShownLine:
    """A payment of a slip; `sent_back`: it bounced, or went back, since."""

    line: DepositLine
    amount: str
    sent_back: bool


def lines_of(slip: DepositSlip) -> list[ShownLine]:
    """In two queries."""
    found = list(slip.lines.all())
    back = deposits.sent_back({one.payment_id for one in found if one.payment_id is not None})
    return [ShownLine(one, euros(one.amount), one.payment_id in back) for one in found]


def cancellation_of(slip: DepositSlip) -> DepositCancellation | None:
    return DepositCancellation.objects.filter(slip=slip).select_related("cancelled_by").first()


def render(slip: DepositSlip) -> bytes:
    """The PDF of a slip; of a cancelled one too, which says so."""
    way = ways.of(slip.means)
    return pdf.draw(
        "billing/slip.html",
        {
            "issuer": invoicing.issuer_of(regies.facts(slip.regie_id)),
            "slip": slip,
            "made_by": person(slip.made_by),
            "title": deposits.title(way),
            "account": way.account,
            "lines": lines_of(slip),
            "count": counted(slip.line_count, "règlement", "règlements"),
            "total": euros(slip.total),
            "deposited_on": short_day(slip.deposited_on, year=True),
            "cancellation": cancellation_of(slip),
        },
        STYLE,
        identifier=slip.number,
    )


def rows(slips: "QuerySet[DepositSlip]") -> Iterator[tuple[Cell, ...]]:
    """A payment handed over a row, the first slip first; of each bite one query more."""
    accounts = {one.code: one.account for one in ways.every().values()}
    found = DepositLine.objects.filter(slip__in=slips.order_by().values("pk")).select_related("slip")
    bite: list[DepositLine] = []
    for line in found.order_by("slip_id", "pk").iterator(chunk_size=A_BITE):
        bite.append(line)
        if len(bite) == A_BITE:
            yield from _said(bite, accounts)
            bite = []
    yield from _said(bite, accounts)


def _said(bite: list[DepositLine], accounts: dict[str, str]) -> Iterator[tuple[Cell, ...]]:
    back = deposits.sent_back({one.payment_id for one in bite if one.payment_id is not None})
    for one in bite:
        slip = one.slip
        yield (
            slip.number, slip.deposited_on, slip.means_label, accounts.get(slip.means, ""), one.number,
            one.drawer, one.reference, one.amount, "oui" if one.payment_id in back else "",
            "oui" if one.cancelled else "",
        )  # fmt: skip
