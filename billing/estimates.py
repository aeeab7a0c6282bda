"""What parents see of prices before anything is billed: on the enrolment, the planning, the validation.

costs = Estimates.load(enrolment, first, last)              six queries at most, one as a rule
costs.price(formula_id, day) -> Decimal | None              None: no tariff says it
costs.on(formula_id, day) -> Decimal | None                 None too where one does not pay by the day
costs.sentence(formula, day)                                « Tarif de votre foyer : 3,20 € (Repas), … »
"""

import time
from collections.abc import Iterable
from datetime import date
from decimal import Decimal

from billing import pricing
from billing.models import Tariff
from billing.tariffs import FactsBook, PriceBook
from portal.reservations.models import Enrolment, Formula

FRESH_SECONDS = 30
_kept: dict[int, tuple[float, PriceBook]] = {}


def _book(activity_id: int) -> PriceBook:
    """An activity's tariffs of all times, kept for FRESH_SECONDS in each process: every planning asks for
    them, they change a few times a year, and what is billed reads them anew."""
    if activity_id not in _kept or time.monotonic() - _kept[activity_id][0] > FRESH_SECONDS:
        _kept[activity_id] = (time.monotonic(), PriceBook.of_activity(activity_id))
    return _kept[activity_id][1]


def forget() -> None:
    """Reads the tariffs anew on the next call: between tests."""
    _kept.clear()


class Estimates:
    """The prices of an enrolled child between two days; nothing is asked of the database afterwards."""

    def __init__(self, enrolment: Enrolment, prices: PriceBook, people: FactsBook) -> None:
        self._enrolment = enrolment
        self._prices = prices
        self._people = people

    @classmethod
    def load(cls, enrolment: Enrolment, first: date, last: date) -> "Estimates":
        prices = _book(enrolment.activity_id)
        if not prices.formulas:
            return cls(enrolment, prices, FactsBook())
        return cls(enrolment, prices, FactsBook.load([enrolment.household_id], first, last, asks=prices.asks))

    @property
    def formulas(self) -> list[Formula]:
        """The activity's formulas that have a tariff, in their order."""
        return self._prices.formulas

    def facts(self, day: date, *, late: bool = False) -> pricing.Facts:
        one = self._enrolment
        return self._people.facts(one.household_id, one.child_id, one.activity_id, day, late=late)

    def explained(self, formula_id: int, day: date, *, late: bool = False) -> pricing.Price | None:
        """The price with its explanation; None when no tariff says it."""
        try:
            return self._prices.price(formula_id, self.facts(day, late=late), day)
        except pricing.NoPrice:
            return None

    def price(self, formula_id: int, day: date, *, late: bool = False) -> Decimal | None:
        """What that day costs, in euros; a time tariff: its unit."""
        found = self.explained(formula_id, day, late=late)
        return None if found is None else found.amount

    def on(self, formula_id: int, day: date, *, late: bool = False) -> Decimal | None:
        """What reserving that day adds, in euros; None where one pays by time spent, month or period."""
        try:
            found = self._prices.quote(formula_id, self.facts(day, late=late), day)
        except pricing.NoPrice:
            return None
        return found.price.amount if found.tariff.unit == Tariff.Unit.PRESENCE else None

    def sentence(self, formula: Formula, day: date) -> str:
        """« Tarif de votre foyer : 3,20 € (Repas), quotient 812 »; empty when no tariff says it."""
        found = self.explained(formula.pk, day)
        if found is None:
            return ""
        quotient = "sans justificatif de quotient"
        if found.quotient is not None:
            quotient = f"quotient {pricing.number(found.quotient)}"
        return f"Tarif de votre foyer : {pricing.euros(found.amount)} ({formula.name}), {quotient}"


def total(prices: Iterable[Decimal | None]) -> tuple[Decimal, bool]:
    """The sum of the known prices, and whether all were known."""
    prices = list(prices)
    known = [price for price in prices if price is not None]
    return sum(known, Decimal(0)), len(known) == len(prices)
