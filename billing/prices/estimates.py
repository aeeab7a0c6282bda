"""What parents see of prices before anything is billed: on the enrolment, the planning, the validation.

costs = Estimates.load(enrolment, first, last, period=…)    one query, once the tariffs are known
costs.price(formula_id, day) -> Decimal | None              None: no tariff says it
costs.on(formula_id, day) -> Decimal | None                 None too where one does not pay by the day
costs.free_late(formula_id, day) -> int                     late days of that month that cost nothing more
costs.sentence(formula, day)                                « Tarif de votre foyer : 3,20 € (Repas), … »
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal

from billing.models import AbsencePolicy, BillingSettings, Fee
from billing.prices.books import FactsBook, PriceBook, Quote
from billing.prices.fees import town_fees
from billing.prices.numbers import Numbers, Presence, widened
from billing.rules import pricing
from billing.rules.absences import AbsenceRules
from families.models import Household
from portal.database.kept import KeptAWhile
from portal.french import moments
from portal.french.amounts import euros, number
from portal.reservations.acts.refusals import Choice
from portal.reservations.models import Enrolment, Formula, Period, SchoolYear
from portal.reservations.models.campaigns import publics
from portal.reservations.pages.prices import ForNumber, QuotientEnd


@dataclass(frozen=True)
class _Rules:
    """What prices of an activity rest on that is no household's."""

    prices: PriceBook
    years: list[SchoolYear]
    settings: BillingSettings


@dataclass(frozen=True)
class TownRules:
    """What every invoice rests on that is no household's."""

    prices: PriceBook
    years: list[SchoolYear]
    settings: BillingSettings
    policies: AbsenceRules
    fees: list[Fee]

    def people(self, household: Household, first: date, last: date) -> FactsBook:
        """What prices ask of a household, in one query."""
        return FactsBook.of_household(
            household, first, last, asks=self.prices.asks, years=self.years, settings=self.settings
        )


def _read_rules(activity_id: int) -> _Rules:
    """An activity's tariffs of all times."""
    prices = PriceBook.of_activity(activity_id)
    years, settings = [], BillingSettings()
    if prices.formulas:
        years = list(SchoolYear.objects.order_by("-starts_on"))
        settings = BillingSettings.current()
    return _Rules(prices, years, settings)


# Every planning asks for them.
_rules = KeptAWhile(_read_rules)


@KeptAWhile
def town_rules() -> TownRules:
    """The rules for all activities."""
    return TownRules(
        PriceBook.of_town(),
        list(SchoolYear.objects.order_by("-starts_on")),
        BillingSettings.current(),
        AbsencePolicy.rules(),
        town_fees(),
    )


def forget() -> None:
    """Reads the tariffs anew on the next call: between tests."""
    _rules.forget()
    town_rules.forget()
    town_fees.forget()


class Estimates:
    """The prices of an enrolled child between two days; nothing is asked of the database afterwards."""

    def __init__(
        self, enrolment: Enrolment, period: Period | None, prices: PriceBook, people: FactsBook
    ) -> None:
        self._enrolment = enrolment
        self._period = period.pk if period else None
        self._numbers = Numbers(enrolment, period, prices, people, self._quote_of)
        self._prices = prices
        self._people = people

    @classmethod
    def load(
        cls,
        enrolment: Enrolment,
        first: date,
        last: date,
        *,
        period: Period | None = None,
        anew: bool = False,
    ) -> "Estimates":
        """For a reservation of that period. `enrolment` best comes with its household. `anew`: by tariffs as
        they are now, where an amount is written down."""
        activity = enrolment.activity_id
        rules = _read_rules(activity) if anew else _rules(activity)
        if not rules.prices.formulas:
            return cls(enrolment, period, rules.prices, FactsBook())
        if rules.prices.by_quantity:
            first, last = widened(first, last)
        people = FactsBook.of_household(
            enrolment.household,
            first,
            last,
            asks=rules.prices.asks,
            years=rules.years,
            settings=rules.settings,
            late=rules.prices.forgives,
            publics=None if anew else publics(),
        )
        return cls(enrolment, period, rules.prices, people)

    @property
    def formulas(self) -> list[Formula]:
        """The activity's formulas that have a tariff, in their order."""
        return self._prices.formulas

    def facts(self, day: date, *, late: bool = False) -> pricing.Facts:
        one = self._enrolment
        return self._people.facts(one.household_id, one.child_id, one.activity_id, day, late=late)

    def explained(self, formula_id: int, day: date, *, late: bool = False) -> pricing.Price | None:
        """The price with its explanation; None when no tariff says it."""
        found = self._quote(formula_id, day, late=late)
        return None if found is None else found.price

    def price(self, formula_id: int, day: date, *, late: bool = False) -> Decimal | None:
        """What that day costs, in euros; a time tariff: the hours reserved, or its unit without them."""
        found = self.explained(formula_id, day, late=late)
        return None if found is None else found.amount

    def on(self, formula_id: int, day: date, *, late: bool = False) -> Decimal | None:
        """What reserving that day adds, in euros; None where one pays by time spent, month or period. Hours
        that are reserved are known beforehand."""
        found = self._quote(formula_id, day, late=late)
        if (
            found is None
            or found.tariff.unit in pricing.FLAT_UNITS
            or found.tariff.pk in self._prices.packages
        ):
            return None
        timed = found.tariff.unit in pricing.TIMED_UNITS
        return None if timed and self._prices.reserved_minutes(formula_id) is None else found.price.amount

    def for_number(self, booked: Mapping[Choice, bool], cancelled: Collection[Choice]) -> ForNumber | None:
        """What these days change of prices that depend on their number, with those held already. One query,
        where any does."""
        return self._numbers.of(booked, cancelled) if self._prices.by_quantity else None

    def rules_for_number(self, day: date) -> list[str]:
        """The rules by number that count the activity's formulas, in words."""
        if not self._prices.by_quantity:
            return []
        return self._numbers.in_words([formula.pk for formula in self.formulas], day)

    def quotient_end(self, first: date, last: date) -> QuotientEnd | None:
        """The last day, from `first` on and before `last`, of a quotient that nothing follows; None where
        there is none, or where that changes no price."""
        end = self._people.quotient_ends(self._enrolment.household_id, first, last)
        if end is None:
            return None
        for formula in self.formulas:
            before = self.price(formula.pk, end)
            then = self.price(formula.pk, end + timedelta(days=1))
            if before is not None and then is not None and before != then:
                return QuotientEnd(
                    end,
                    f"Votre quotient familial est connu jusqu'au {moments.day(end, year=True)}. Ensuite, "
                    f"sans nouveau justificatif : {euros(then)} au lieu de {euros(before)} ({formula}).",
                )
        return None

    def _quote(self, formula_id: int, day: date, *, late: bool) -> Quote | None:
        one = self._enrolment
        presence = Presence(one.child_id, one.activity_id, one.establishment_id, formula_id, day)
        try:
            return self._quote_of(presence, self.facts(day, late=late))
        except pricing.NoPrice:
            return None

    def _quote_of(self, presence: Presence, facts: pricing.Facts) -> Quote:
        """The hours that are reserved are due. Raises NoPrice."""
        found = self._ask(presence, facts)
        minutes = self._prices.reserved_minutes(presence.formula)
        if found.tariff.unit in pricing.TIMED_UNITS and minutes is not None:
            units = Decimal(pricing.started(minutes, pricing.Unit(found.tariff.unit)))
            found = self._ask(presence, replace(facts, units=units))
        return found

    def _ask(self, presence: Presence, facts: pricing.Facts) -> Quote:
        """Raises NoPrice."""
        return self._prices.quote(
            presence.formula,
            facts,
            presence.day,
            period=self._period,
            establishment=presence.establishment,
        )

    def free_late(self, formula_id: int, day: date) -> int:
        """How many more late days of that month bear no surcharge, after those reserved or asked for."""
        one = self._enrolment
        terms = self._prices.late_terms(
            formula_id, day, period=self._period, establishment=one.establishment_id
        )
        return self._people.late_days.left((one.child_id, formula_id), day, terms.free_a_month)

    def sentence(self, formula: Formula, day: date) -> str:
        """« Tarif de votre foyer : 3,20 € (Repas), quotient 812 »; empty when no tariff says it."""
        found = self.explained(formula.pk, day)
        if found is None:
            return ""
        quotient = "sans justificatif de quotient"
        if found.quotient is not None:
            quotient = f"quotient {number(found.quotient)}"
        return f"Tarif de votre foyer : {euros(found.amount)} ({formula.name}), {quotient}"
