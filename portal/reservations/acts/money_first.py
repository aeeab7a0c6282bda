"""What is to be paid before a place of an activity is given: which rule holds, and what a day costs.

    rule_of(activity, period) -> Advance | None     no query where the town asks for nothing
    Owed.load(enrolment, period, days) -> Owed      what each day costs, asked of who knows prices
    Owed.numbered(prices, cancelled) -> prices      what they cost together, by how many they are
    to_pay(prices, percent) -> Decimal              pure

The engine knows no price: who does lends it (`lend`). A day without a price, or that costs nothing, is given
at once.
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import Protocol

from portal.database import trials
from portal.french.amounts import euros
from portal.reservations.acts.refusals import Choice, NotCovered
from portal.reservations.days.late_days import LateDays
from portal.reservations.models import Advance, Enrolment, Period
from portal.reservations.models.advances import advances

CENT, ZERO, WHOLE = Decimal("0.01"), Decimal("0.00"), 100
# How long a place that frees is kept for the next child, who has to pay it, where the activity says nothing.
OFFER_HOURS = 24


class ForNumber(Protocol):
    """What the number of days changes, in euros more or (negative) less; `paid`: those that cost nothing by
    themselves."""

    @property
    def amount(self) -> Decimal: ...

    @property
    def paid(self) -> frozenset[Choice]: ...


class Costs(Protocol):
    def on(self, formula_id: int, day: date, *, late: bool = False) -> Decimal | None: ...

    def free_late(self, formula_id: int, day: date) -> int: ...

    def for_number(
        self, booked: Mapping[Choice, bool], cancelled: Collection[Choice]
    ) -> ForNumber | None: ...


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


def shared(total: Decimal, prices: Mapping[Choice, Decimal]) -> dict[Choice, Decimal]:
    """A sum in the proportion of prices (alike where they are nothing), to the cent: the cents that are left
    over go to the first days. Nothing of a sum that is nothing, or less. Pure."""
    cents = max(int(total / CENT), 0)
    weights = dict(prices) if any(prices.values()) else dict.fromkeys(prices, CENT)
    whole = sum(weights.values(), ZERO)
    parts = {choice: int(cents * weight / whole) for choice, weight in weights.items()}
    left = cents - sum(parts.values())
    for choice in sorted(choice for choice, weight in weights.items() if weight)[:left]:
        parts[choice] += 1
    return {choice: part * CENT for choice, part in parts.items()}


def with_number(prices: Mapping[Choice, Decimal], number: ForNumber | None) -> dict[Choice, Decimal]:
    """Prices of days once what their number changes is shared among them: a flat price of days among those
    that it pays, anything else among all. Pure."""
    if number is None or not prices:
        return dict(prices)
    own = {choice: ZERO if choice in number.paid else price for choice, price in prices.items()}
    flat = {choice: ZERO for choice in prices if choice in number.paid}
    if flat and number.amount > 0:
        return own | shared(number.amount, flat)
    return shared(sum(own.values(), ZERO) + number.amount, own)


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


def sentence_of(rule: Advance, prices: Iterable[Decimal], left: Decimal) -> str:
    """The same of any rule, where an account holds `left`. Pure."""
    prices = list(prices)
    cost = sum(prices, ZERO)
    if not cost:
        return "Rien n'est à payer avant : ces jours sont donnés tout de suite."
    if rule.kind != Advance.Kind.ACCOUNT:
        return sentence(rule, prices)
    if left < cost:
        return str(NotCovered(cost, left))
    return f"Le compte couvre ces jours ({euros(cost)}) : il reste {euros(left - cost)}."


def tried(rule: Advance, enrolment: Enrolment, period: Period, formula: int, days: Collection[date]) -> str:
    """What a rule, saved or not, would ask of a family for these days of a formula (its key), with nothing on
    its account: that one is nobody's who only writes rules."""
    costs = _pricer[0](enrolment, min(days), max(days), period=period) if _pricer else None
    owed = Owed(rule, costs)
    own = {Choice(formula, day): owed.price(formula, day, late=False) for day in sorted(days)}
    prices = own.values() if owed.by_account else owed.numbered(own).values()
    return sentence_of(rule, prices, left=ZERO)


class Owed:
    """What days of an enrolment cost, for those that wait to be paid; each is asked for once."""

    def __init__(self, rule: Advance | None = None, costs: Costs | None = None) -> None:
        self.rule = rule
        self._costs = costs
        self._late = LateDays()
        self._pays_late: set[Choice] = set()

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
        if pays:
            self._pays_late.add(Choice(formula, day))
        return self._costs.on(formula, day, late=pays) or ZERO

    def numbered(
        self, prices: Mapping[Choice, Decimal], cancelled: Collection[Choice] = ()
    ) -> dict[Choice, Decimal]:
        """What days cost together, of which each was asked for: their number, with the days that the
        household has already, may change it. One query where a rule counts any of them."""
        if self._costs is None:
            return dict(prices)
        booked = {choice: choice in self._pays_late for choice in prices}
        return with_number(prices, self._costs.for_number(booked, cancelled))

    @property
    def by_account(self) -> bool:
        return self.rule is not None and self.rule.kind == Advance.Kind.ACCOUNT

    @property
    def percent(self) -> int:
        return (self.rule and self.rule.percent) or WHOLE
