"""What is to be paid before a place of an activity is given: which rule holds, and what a day costs.

    rule_of(activity, period) -> Advance | None     no query where the town asks for nothing
    Owed.load(enrolment, period, days) -> Owed      what each day costs, asked of who knows prices
    to_pay(prices, percent) -> Decimal              pure

The engine knows no price: who does lends it (`lend`). A day without a price, or that costs nothing, is given
at once.
"""

from collections.abc import Collection, Iterable
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import Protocol

from portal.database import trials
from portal.french.amounts import euros
from portal.reservations.acts.refusals import NotCovered
from portal.reservations.days.late_days import LateDays
from portal.reservations.models import Advance, Enrolment, Period
from portal.reservations.models.advances import advances

CENT, ZERO, WHOLE = Decimal("0.01"), Decimal("0.00"), 100
# How long a place that frees is kept for the next child, who has to pay it, where the activity says nothing.
OFFER_HOURS = 24


class Costs(Protocol):
    def on(self, formula_id: int, day: date, *, late: bool = False) -> Decimal | None: ...

    def free_late(self, formula_id: int, day: date) -> int: ...


class Pricer(Protocol):
    def __call__(self, enrolment: Enrolment, first: date, last: date, /, *, period: Period) -> Costs: ...


class Available(Protocol):
    def __call__(self, household: int, activity: int, *, without: Collection[int] = ()) -> Decimal: ...


_pricer: list[Pricer] = []
_available: list[Available] = []


def lend(pricer: Pricer, available: Available) -> None:
    """For who knows prices, and what the account of a household holds for an activity (keys), in euros; once
    it is ready. `without`: bookings that are given up."""
    _pricer[:], _available[:] = [pricer], [available]


def is_asked() -> bool:
    """Whether the town asks for money before any place."""
    return bool(advances())


def rule_of(activity: int, period: int | None) -> Advance | None:
    """What holds in a period (keys): its own row, or that of the whole activity."""
    rules = advances()
    if not rules:
        return None
    return rules.get((activity, period)) or rules.get((activity, None))


def by_account(activity: int, period: int | None) -> Advance | None:
    """The rule, where the account of the household has to cover the price."""
    rule = rule_of(activity, period)
    return rule if rule is not None and rule.kind == Advance.Kind.ACCOUNT else None


def accounts() -> list[Advance]:
    """The rules by which accounts have to cover the price; no query where there are none."""
    return [one for one in advances().values() if one.kind == Advance.Kind.ACCOUNT]


def paid_first() -> list[int]:
    """The activities (keys) that ask for money before a place, in any way."""
    return sorted({activity for activity, _ in advances()})


def demand_cover(household: int, activity: int, cost: Decimal, *, without: Collection[int] = ()) -> None:
    """Raises NotCovered where the account holds less than `cost`. The caller holds the household's row."""
    if cost > 0 and _available and (left := _available[0](household, activity, without=without)) < cost:
        raise NotCovered(cost, left)


def offer_hours(activity: int, period: int | None) -> int | None:
    """How long a place that frees is offered although the activity gives it at once: nobody paid it yet."""
    return OFFER_HOURS if rule_of(activity, period) is not None else None


def to_pay(prices: Iterable[Decimal], percent: int) -> Decimal:
    """« 30 % » of the sum of prices, to the cent, half a cent upwards."""
    return (sum(prices, ZERO) * percent / WHOLE).quantize(CENT, ROUND_HALF_UP)


def sentence(rule: Advance, prices: Iterable[Decimal]) -> str:
    """« À payer dans les 20 minutes : 54,00 € (30 % du prix, le reste sur facture)… » Pure."""
    if rule.kind == Advance.Kind.ACCOUNT:
        return ""
    due = to_pay(prices, rule.percent or WHOLE)
    if not due:
        return ""
    part = f" ({rule.percent}\xa0% du prix, le reste sur facture)" if rule.percent else ""
    return (
        f"À payer dans les {rule.minutes} minutes : {euros(due)}{part}. Vos places sont gardées jusque-là ; "
        "le paiement valide la réservation."
    )


class Owed:
    """What days of an enrolment cost, for those that wait to be paid; each is asked for once."""

    def __init__(self, rule: Advance | None = None, costs: Costs | None = None) -> None:
        self.rule = rule
        self._costs = costs
        self._late = LateDays()

    @classmethod
    def load(cls, enrolment: Enrolment, period: Period, days: Collection[date]) -> "Owed":
        """Nothing is owed by a household on trial, nor where nobody knows prices."""
        rule = rule_of(enrolment.activity_id, period.pk)
        if rule is None or not days or not _pricer or trials.current() is not None:
            return cls()
        return cls(rule, _pricer[0](enrolment, min(days), max(days), period=period))

    def anew(self) -> "Owed":
        """The same before any day was asked about, at no query."""
        return Owed(self.rule, self._costs)

    def price(self, formula: int, day: date, *, late: bool) -> Decimal:
        """What a day costs in euros; nothing where it is given at once."""
        if self._costs is None:
            return ZERO
        allowed = self._costs.free_late(formula, day) if late else 0
        pays = late and not self._late.take(formula, day, allowed)
        return self._costs.on(formula, day, late=pays) or ZERO

    @property
    def by_account(self) -> bool:
        return self.rule is not None and self.rule.kind == Advance.Kind.ACCOUNT

    @property
    def percent(self) -> int:
        return (self.rule and self.rule.percent) or WHOLE
