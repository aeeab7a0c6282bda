"""What an invoice to be says: its lines, their days, what each of these bills. Values; nothing is read."""

from collections import Counter
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

from billing.models import Invoice, InvoiceLine, ManualCharge
from billing.rules import pricing
from families.models import Household

Kind = InvoiceLine.Kind


class DraftedItem(NamedTuple):
    """What a line bills, as in BilledItem: a booking, a presence without one, or (`flat`) a flat price, a
    `fee` a year (its key; None where a preview has none yet), or an adult's `meal`."""

    turn: int
    amount: Decimal
    booking: int | None = None
    attendance: int | None = None
    flat: str = ""
    counted: str = ""
    minutes: int | None = None
    fee: int | None = None
    meal: int | None = None


# The columns that an Item is written to, in its order.
ITEM_COLUMNS = tuple(
    f"{name}_id" if name in ("booking", "attendance", "fee", "meal") else name for name in DraftedItem._fields
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
    carried: Invoice | None = None  # the statement that it takes over
    regie: int | None = None  # whose it is, by key; None: the town's own
    # Of a line without a formula, whose codes it would bear.
    analytic_code: str = ""
    account_code: str = ""
    until: date | None = None  # the last day of what a number of presences changes

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


@dataclass(frozen=True, kw_only=True)
class Change:
    """A day, or a flat price (`flat`), that was billed `was` euros and costs `amount`.

    `item`: the billing that is taken back; None where a flat price was not billed. `kind` "": nothing is
    billed instead; `emptied`: because none of its days counts any more.
    """

    item: int | None
    household: int
    child: int | None
    child_name: str
    activity_name: str
    formula: int | None
    was: Decimal
    amount: Decimal
    day: date | None = None
    booking: int | None = None
    attendance: int | None = None
    flat: str = ""
    emptied: bool = False
    kind: str = ""
    label: str = ""
    explanation: str = ""
    unit_price: Decimal = Decimal(0)
    quantity: Decimal = Decimal(0)
    vat_percent: Decimal = Decimal(0)
    care_percent: Decimal = Decimal(0)
    counted: str = ""
    minutes: int | None = None
    corrects: str = ""

    def as_json(self) -> dict[str, Any]:
        """As it is kept; amounts and days are texts."""
        return {
            name: str(value) if isinstance(value, Decimal | date) else value
            for name, value in asdict(self).items()
        }

    @classmethod
    def read(cls, kept: dict[str, Any]) -> "Change":
        found = {one.name: kept[one.name] for one in fields(cls) if one.name in kept}
        for name in ("was", "amount", "unit_price", "quantity", "vat_percent", "care_percent"):
            found[name] = Decimal(found[name])
        return cls(**found | {"day": date.fromisoformat(kept["day"]) if kept.get("day") else None})


@dataclass(frozen=True, kw_only=True)
class Adjustment:
    """What is to be billed, or given back, for the number of a child's presences between two days: `amount`
    euros, after `was` of them were billed before, at a `turn` of its `name`."""

    household: int
    child: int
    child_name: str
    formula: int | None
    activity_name: str
    amount: Decimal
    was: Decimal
    name: str
    turn: int
    label: str
    explanation: str
    vat_percent: Decimal
    care_percent: Decimal
    first: date
    until: date


_AFTER_THE_REST: dict[str, int] = {
    Kind.CREDIT: 1,
    Kind.DEBIT: 2,
    Kind.QUANTITY: 3,
    Kind.CARRIED: 4,
    Kind.FEE: 5,
    Kind.MANUAL: 5,
}


@dataclass(kw_only=True)
class Draft:
    """A household's invoice to be, of one régie. `trouble` says in French why it cannot be issued;
    `recalculated`: the months priced again (keys) that it takes over."""

    household: Household
    payer: str
    address: str
    quotient: Decimal | None
    lines: list[DraftedLine]
    regie: int | None = None
    trouble: str = ""
    recalculated: list[int] = field(default_factory=list)

    @property
    def total(self) -> Decimal:
        return sum((line.amount for line in self.lines), Decimal(0))

    @property
    def carried(self) -> dict[int, Invoice]:
        """The statements that it takes over, by key."""
        return {line.carried.pk: line.carried for line in self.lines if line.carried is not None}

    def of_the_month(self) -> "Draft":
        """Without what earlier statements say already."""
        return replace(self, lines=[line for line in self.lines if line.carried is None])


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
