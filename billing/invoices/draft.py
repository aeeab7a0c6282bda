"""What an invoice to be says: its lines, their days, what each of these bills. Values; nothing is read."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from billing.models import InvoiceLine, ManualCharge
from billing.rules import pricing
from families.models import Household

Kind = InvoiceLine.Kind


class DraftedItem(NamedTuple):
    """What a line bills, as in BilledItem: a booking, a presence without one, or (`flat`) a flat price."""

    turn: int
    amount: Decimal
    booking: int | None = None
    attendance: int | None = None
    flat: str = ""
    counted: str = ""
    minutes: int | None = None


# The columns that an Item is written to, in its order.
ITEM_COLUMNS = tuple(
    f"{name}_id" if name in ("booking", "attendance") else name for name in DraftedItem._fields
)


@dataclass(kw_only=True)
class DraftedLine:
    """A line to be; `amount` = `quantity` × `unit_price`, in euros. `days` are those of its items that are no
    flat price, in their order."""

    kind: str
    label: str
    unit_price: Decimal
    quantity: Decimal = Decimal(0)
    child: int | None = None
    child_name: str = ""
    formula: int | None = None
    activity_name: str = ""
    explanation: str = ""
    vat_percent: Decimal = Decimal(0)
    care_percent: Decimal = Decimal(0)
    days: list[date] = field(default_factory=list)
    items: list[DraftedItem] = field(default_factory=list)
    manual: ManualCharge | None = None

    @property
    def amount(self) -> Decimal:
        return pricing.rounded(self.unit_price * self.quantity)

    @property
    def place(self) -> tuple[object, ...]:
        """Where it stands on an invoice: by child, then what is billed before what is taken back, and that
        before what is billed anew."""
        return (
            self.child is None,
            self.child_name,
            self.child or 0,
            _AFTER_THE_REST.get(self.kind, 0),
            self.activity_name,
            self.label,
            self.days[0] if self.days else date.max,
        )


_AFTER_THE_REST: dict[str, int] = {Kind.CREDIT: 1, Kind.DEBIT: 2, Kind.MANUAL: 3}


@dataclass(kw_only=True)
class Draft:
    """A household's invoice to be. `trouble` says in French why it cannot be issued."""

    household: Household
    payer: str
    address: str
    quotient: Decimal | None
    lines: list[DraftedLine]
    trouble: str = ""

    @property
    def total(self) -> Decimal:
        return sum((line.amount for line in self.lines), Decimal(0))


@dataclass
class Warnings:
    """What the accountant should know before issuing, counted by formula; `reasons`: why one has no price."""

    unpriced: Counter[str] = field(default_factory=Counter)
    reasons: dict[str, str] = field(default_factory=dict)
    without_quotient: set[int] = field(default_factory=set)
    not_entered: Counter[str] = field(default_factory=Counter)
    without_minutes: Counter[str] = field(default_factory=Counter)

    def add(self, other: "Warnings") -> None:
        """Those of other households too."""
        self.unpriced += other.unpriced
        self.reasons = other.reasons | self.reasons
        self.without_quotient |= other.without_quotient
        self.not_entered += other.not_entered
        self.without_minutes += other.without_minutes
