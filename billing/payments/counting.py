"""The till counted, beside what the book says: the only writer of counts.

till(agent, regie) -> Till         what should be there now
tills(cash) -> [Beside]            the same of every régie, and what of it one agent took
count(counted, …) -> CashCount     keeps what was there, with what should have been
in_words(difference) -> str        « Il manque 2,00 €. »
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import transaction
from django.utils import timezone

from billing.invoices import regies
from billing.invoices.numbering import Numbering
from billing.models import CashCount
from billing.payments import deposits
from billing.rules.means import ZERO
from families.models import User
from portal.database.final import append_only
from portal.french.amounts import euros

RECEIPTS = "R"
# In euros, from the largest note to the smallest coin.
PIECES = tuple(
    map(
        Decimal,
        ("200", "100", "50", "20", "10", "5", "2", "1", "0.50", "0.20", "0.10", "0.05", "0.02", "0.01"),
    )
)
COUNTS = append_only("billing.counts", "Un comptage ne change plus : comptez à nouveau.", CashCount)


@dataclass(frozen=True)
class Till:
    """In euros; an agent's own takings come without the float."""

    cash_float: Decimal
    taken: Decimal

    @property
    def expected(self) -> Decimal:
        return self.cash_float + self.taken


def till(agent: User | None = None, regie: int | None = None) -> Till:
    """What the book says is there: the float, and the cash taken since the last payment to the comptable."""
    found = deposits.cash(agent)
    if agent is not None:
        return Till(ZERO, found.mine.get(regie, ZERO))
    return Till(found.facts[regie].cash_float, found.held.get(regie, ZERO))


@dataclass(frozen=True)
class Beside:
    """A régie's till, what of it one agent took, and how much cash it may hold (None: as much as comes)."""

    name: str
    till: Till
    mine: Till
    most: Decimal | None


def tills(cash: deposits.Cash) -> list[Beside]:
    """Of every régie, the town's own first; asks nothing."""
    return [
        Beside(
            name,
            Till(cash.facts[key].cash_float, cash.held.get(key, ZERO)),
            Till(ZERO, cash.mine.get(key, ZERO)),
            cash.facts[key].cash_maximum,
        )
        for key, name in (cash.names or {None: ""}).items()
    ]


def total(pieces: Mapping[str, int]) -> Decimal:
    """What notes and coins come to, in euros: « 20 » → how many."""
    return sum((Decimal(value) * number for value, number in pieces.items()), ZERO).quantize(ZERO)


def count(
    counted: Decimal,
    *,
    pieces: Mapping[str, int] | None = None,
    remark: str = "",
    agent: User | None = None,
    regie: int | None = None,
    by: User | None,
    at: datetime,
) -> CashCount:
    """What was counted; what the book says is read again, at a moment when nobody takes money."""
    with transaction.atomic():
        Numbering(regies.series(RECEIPTS, regie), timezone.localtime(at).year)
        found = till(agent, regie)
        return CashCount.objects.create(
            counted_at=at,
            counted_by=by,
            agent=agent,
            regie_id=regie,
            cash_float=found.cash_float,
            taken=found.taken,
            counted=counted,
            pieces={value: number for value, number in (pieces or {}).items() if number},
            remark=remark,
        )


def in_words(difference: Decimal) -> str:
    if difference > 0:
        return f"Il y a {euros(difference)} de trop."
    if difference < 0:
        return f"Il manque {euros(-difference)}."
    return "Le compte est juste."
