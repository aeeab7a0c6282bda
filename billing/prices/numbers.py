"""What the days of a reservation change of prices that depend on their number, before anything is billed.

Counted with what the household holds already, its brothers and sisters' days where a rule counts them; asked
once for a reservation, in one query where a rule counts its days, in none elsewhere.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import NamedTuple, cast

from billing.prices import spans
from billing.prices.books import FactsBook, PriceBook, Quote
from billing.rules import pricing, quantities
from billing.rules.quantities import Effect, Taken, month_of, week_of
from portal.reservations.acts.refusals import Choice
from portal.reservations.models import Booking, Enrolment, Period
from portal.reservations.pages.prices import ForNumber
from portal.reservations.states import HOLDING, BookingState

NOTHING = Decimal("0.00")


class Presence(NamedTuple):
    """A day that is held, or would be."""

    child: int
    activity: int
    establishment: int | None
    formula: int
    day: date
    late: bool = False
    period: int | None = None


def widened(first: date, last: date) -> tuple[date, date]:
    """The whole weeks of the whole months of these days: what a number may be counted over."""
    last_day = month_of(week_of(last).last).last
    return week_of(month_of(week_of(first).first).first).first, week_of(last_day).last


@dataclass
class Numbers:
    """Of one enrolment: `ask` prices a presence by facts. Raises NoPrice."""

    enrolment: Enrolment
    period: Period | None
    prices: PriceBook
    people: FactsBook
    ask: Callable[[Presence, pricing.Facts], Quote]

    def of(self, booked: Mapping[Choice, bool], cancelled: Collection[Choice]) -> ForNumber | None:
        """What booking these days (late or not) and giving up those changes; None: no rule counts any."""
        counted = self.prices.by_quantity
        days = [choice.day for choice in (*booked, *cancelled) if choice.formula_id in counted]
        if not days:
            return None
        one = self.enrolment
        held = self._held(*self._span(days))
        mine = [
            Presence(one.child_id, one.activity_id, one.establishment_id, *choice, late=late,
                     period=self.period.pk if self.period else None)
            for choice, late in booked.items()
            if choice.formula_id in counted
        ]  # fmt: skip
        given_up = {(one.child_id, *choice) for choice in cancelled}
        taken_again = {(one.child_id, presence.formula, presence.day) for presence in mine}
        kept = [
            presence
            for presence in held
            if (presence.child, presence.formula, presence.day) not in given_up | taken_again
        ]
        before, after = self._effects(held), self._effects([*kept, *mine])
        changed = [
            effect
            for key, effect in after.items()
            if effect.amount != (before[key].amount if key in before else NOTHING)
        ]
        said = [f"{text}, {spans.in_words(effect.extent)}." for effect in changed for text in effect.said]
        amount = sum((effect.amount for effect in after.values()), NOTHING) - sum(
            (effect.amount for effect in before.values()), NOTHING
        )
        paid = frozenset(choice for choice in booked if self._by_package(choice))
        return ForNumber(amount, list(dict.fromkeys(said)), paid)

    def in_words(self, formulas: Collection[int], day: date) -> list[str]:
        """The rules that count these formulas, with what they come to for this child."""
        found: dict[str, None] = {}
        for formula in formulas:
            if formula not in self.prices.by_quantity:
                continue
            one = self.enrolment
            presence = Presence(one.child_id, one.activity_id, one.establishment_id, formula, day)
            try:
                tariff = self.ask(presence, self._facts(presence)).tariff
            except pricing.NoPrice:
                continue
            for rule in self.prices.quantities.get(tariff.pk, ()):
                price = _Asked([presence], self).whole(presence, rule.column) if rule.column else None
                found[quantities.in_words(rule, price)] = None
        return list(found)

    def _by_package(self, choice: Choice) -> bool:
        one = self.enrolment
        presence = Presence(one.child_id, one.activity_id, one.establishment_id, *choice)
        try:
            return self.ask(presence, self._facts(presence)).tariff.pk in self.prices.packages
        except pricing.NoPrice:
            return False

    def _span(self, days: Collection[date]) -> tuple[date, date]:
        first, last = widened(min(days), max(days))
        if self.period is not None:
            first, last = min(first, self.period.starts_on), max(last, self.period.ends_on)
        return first, last

    def _held(self, first: date, last: date) -> list[Presence]:
        rows = Booking.objects.filter(
            household=self.enrolment.household_id,
            formula__in=self.prices.by_quantity,
            # What waits to be paid counts beside what is: a cart of brothers and sisters is one.
            state__in=(*HOLDING, BookingState.HELD),
            day__range=(first, last),
        )
        return [
            Presence(*row)
            for row in rows.order_by("day", "pk").values_list(
                "child_id", "activity_id", "establishment_id", "formula_id", "day", "late",
                "reservation__period_id",
            )
        ]  # fmt: skip

    def _facts(self, presence: Presence, *, late: bool = False) -> pricing.Facts:
        return self.people.facts(
            self.enrolment.household_id, presence.child, presence.activity, presence.day, late=late
        )

    def _effects(self, presences: Iterable[Presence]) -> dict[tuple[int, str, int, str], Effect]:
        taken: dict[int, list[Taken]] = defaultdict(list)
        asked = _Asked(presences, self)
        for presence in asked.presences:
            try:
                quote = self.ask(presence, self._facts(presence, late=presence.late))
                usual = self.ask(presence, self._facts(presence)).price.amount
            except pricing.NoPrice:
                continue
            pk = quote.tariff.pk
            if pk in self.prices.quantities:
                amount = NOTHING if pk in self.prices.packages else quote.price.amount
                extra = max(quote.price.amount - usual, NOTHING)
                taken[pk].append(
                    Taken(
                        presence, presence.child, presence.formula, presence.day, amount,
                        presence.period or 0, extra,
                    )
                )  # fmt: skip
        known = {self.period.pk: (self.period.starts_on, self.period.ends_on)} if self.period else {}
        found = {}
        for pk, its in taken.items():
            try:
                effects = quantities.effects(self.prices.quantities[pk], its, asked, known)
            except pricing.NoPrice:
                continue
            for effect in effects:
                found[pk, effect.kind.value, effect.child, effect.extent.name] = effect
        return found


class _Asked:
    """What the rules ask of a presence."""

    def __init__(self, presences: Iterable[Presence], numbers: Numbers) -> None:
        self.presences = list(presences)
        self._numbers = numbers

    def in_column(self, key: Hashable, column: str) -> Decimal:
        presence = cast(Presence, key)
        return self._price(presence, column, late=presence.late).amount

    def whole(self, key: Hashable, column: str) -> Decimal:
        return self._price(cast(Presence, key), column, late=False).unit_price

    def _price(self, presence: Presence, column: str, *, late: bool) -> pricing.Price:
        facts = self._numbers._facts(presence, late=late)
        return self._numbers.ask(presence, replace(facts, column=column, final_column=bool(column))).price
