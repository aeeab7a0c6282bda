"""What a parent is told of prices while reserving. The engine knows none: a service lends the way to ask.

costs = pricer(enrolment, first, last, period=period)      a few queries, then none
costs.on(formula_id, day, late=False)                      euros, or None where no price of a day can be said
costs.free_late(formula_id, day)                           late days of that month that cost nothing more
costs.quotient_end(first, last)                            the day and a sentence, where prices change then
costs.for_number(booked, cancelled)                        what the number of days changes, where it counts
costs.rules_for_number(day)                                the sentences of rules that count them
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import NamedTuple, Protocol

from portal.french.amounts import euros
from portal.reservations.acts.refusals import Choice
from portal.reservations.days.late_days import LateDays
from portal.reservations.days.standing import Closed, Open, Where
from portal.reservations.deadlines.decisions import Standing
from portal.reservations.models import Enrolment, Period, ReservationLine
from portal.reservations.pages.cells import Cell, Forgiving, value_of
from portal.reservations.pages.planning import Planning
from portal.reservations.states import Action, Outcome


class QuotientEnd(NamedTuple):
    """The last day of a quotient that nothing follows, where the days after it cost another price; and the
    sentence that says so."""

    day: date
    sentence: str


class ForNumber(NamedTuple):
    """What the number of days changes, with those held already: euros more or (negative) less than the days'
    own prices, and why. `paid`: those that cost nothing by themselves."""

    amount: Decimal
    sentences: list[str]
    paid: frozenset[Choice]


class Costs(Protocol):
    """The prices of an enrolled child between two days, reserved in one period."""

    def on(self, formula_id: int, day: date, *, late: bool = False) -> Decimal | None: ...

    def free_late(self, formula_id: int, day: date) -> int: ...

    def quotient_end(self, first: date, last: date) -> QuotientEnd | None: ...

    def for_number(
        self, booked: Mapping[Choice, bool], cancelled: Collection[Choice]
    ) -> ForNumber | None: ...

    def rules_for_number(self, day: date) -> list[str]: ...


class Pricer(Protocol):
    def __call__(self, enrolment: Enrolment, first: date, last: date, /, *, period: Period) -> Costs: ...


def put_on(plan: Planning, pricer: Pricer) -> list[str]:
    """Gives its price to every cell that can be booked: late ones that are not chosen say what the next one
    chosen costs. Returns the sentence on a quotient that ends within these days, if one does, and on prices
    that depend on the number of days."""
    cells = [cell for cell in plan.cells.values() if cell.bookable]
    if not cells:
        return []
    # From today on: a quotient that ends before the days shown changes what they cost.
    since, last = min(plan.where.today, cells[0].day), cells[-1].day
    costs = pricer(plan.enrolment, since, last, period=plan.period)
    chosen = LateDays()
    free = {cell.choice: costs.free_late(*cell.choice) for cell in cells if cell.late}
    forgiven = {
        choice
        for choice, allowed in free.items()
        if plan.cells[choice].checked and chosen.take(*choice, allowed)
    }
    end = costs.quotient_end(since, last)
    for cell in cells:
        formula_id, day = cell.choice
        allowed = free.get(cell.choice, 0)
        cell.unproved = end is not None and day > end.day
        usual = costs.on(formula_id, day)
        late = costs.on(formula_id, day, late=True) if cell.late else usual
        pays_less = cell.choice in forgiven if cell.checked else chosen.left(formula_id, day, allowed) > 0
        cell.price = usual if pays_less else late
        if allowed and usual is not None and late is not None:
            cell.forgiving = Forgiving(usual, late, allowed)
        if cell.late and cell.price is not None and usual is not None and cell.price > usual:
            cell.surcharge = cell.price - usual
        if cell.price is not None:
            cell.name += f", {euros(cell.price)}"
        if cell.surcharge is not None:
            cell.name += f" dont {euros(cell.surcharge)} de supplément"
        if cell.unproved:
            cell.name += ", sans quotient connu"
    return [*([end.sentence] if end else []), *_by_number(costs.rules_for_number(cells[0].day))]


def _by_number(rules: list[str]) -> list[str]:
    return [f"Prix selon le nombre, compté à la validation : {' ; '.join(rules)}."] if rules else []


@dataclass(frozen=True)
class PricedLine:
    """A day to book as it is checked before recording, with its price where one is known."""

    line: ReservationLine
    price: Decimal | None = None
    late: bool = False
    surcharge: Decimal | None = None  # what being late adds, within the price
    asks: bool = False  # late, and so only a request


@dataclass(frozen=True)
class Priced:
    """The days to book of a draft; what a day would cost, of all its days; and the sentence on a quotient
    that ends within them, if one does."""

    booked: list[PricedLine]
    by_day: dict[Choice, Decimal]
    quotient_warning: str = ""
    number: ForNumber | None = None


def of_lines(lines: Iterable[ReservationLine], where: Where, pricer: Pricer | None) -> Priced:
    """A draft's days with their price, by day: late ones by what `where` says of them now."""
    in_order = sorted(lines, key=lambda line: line.day)
    booked = [line for line in in_order if line.action == Action.BOOK]
    answered = [(line, where.booking(line.formula_id, line.day)) for line in booked]
    if pricer is None or not in_order:
        return Priced([_priced(line, answer) for line, answer in answered], {})
    first, last = in_order[0].day, in_order[-1].day
    costs = pricer(where.enrolment, first, last, period=where.period)
    known = {
        Choice(line.formula_id, line.day): price
        for line in in_order
        if (price := costs.on(line.formula_id, line.day)) is not None
    }
    chosen = LateDays()
    priced = []
    for line, answer in answered:
        choice = Choice(line.formula_id, line.day)
        pays = _is_late(answer) and not chosen.take(*choice, costs.free_late(*choice))
        price = costs.on(*choice, late=True) if pays else known.get(choice)
        priced.append(_priced(line, answer, price, known.get(choice)))
    end = costs.quotient_end(where.today, booked[-1].day) if booked else None
    number = costs.for_number(
        {Choice(one.line.formula_id, one.line.day): one.surcharge is not None for one in priced},
        [Choice(line.formula_id, line.day) for line in in_order if line.action == Action.CANCEL],
    )
    return Priced(priced, known, end.sentence if end else "", number)


def _is_late(answer: Closed | Open) -> bool:
    return isinstance(answer, Open) and answer.standing.is_late


def _priced(
    line: ReservationLine, answer: Closed | Open, price: Decimal | None = None, usual: Decimal | None = None
) -> PricedLine:
    late = _is_late(answer)
    extra = price - usual if late and price is not None and usual is not None else Decimal(0)
    asks = isinstance(answer, Open) and answer.standing is Standing.LATE_REQUEST
    return PricedLine(line, price, late=late, surcharge=extra if extra > 0 else None, asks=asks)


def of_recorded(lines: Iterable[ReservationLine], costs: Costs | None) -> dict[str, list[str]]:
    """What each day that will be billed costs and the surcharge within, in euros, as a task carries it
    (« 12:2026-11-30 » → [« 5.90 », « 1.00 »]). `costs` were asked before the days were recorded."""
    if costs is None:
        return {}
    chosen = LateDays()
    amounts = {}
    for line in lines:
        if line.action != Action.BOOK or line.outcome not in (
            Outcome.ACCEPTED,
            Outcome.REQUESTED,
            Outcome.HELD,
        ):
            continue
        choice = Choice(line.formula_id, line.day)
        usual = costs.on(*choice)
        pays = line.late and not chosen.take(*choice, costs.free_late(*choice))
        price = costs.on(*choice, late=True) if pays else usual
        if price is not None and usual is not None:
            amounts[value_of(choice)] = [str(price), str(max(price - usual, Decimal(0)))]
    return amounts


def total(prices: Iterable[Decimal | None]) -> Decimal | None:
    """Their sum; None when there are none, or when one is not known: half a sum would mislead."""
    found = list(prices)
    known = [price for price in found if price is not None]
    return sum(known, Decimal(0)) if known and len(known) == len(found) else None


def with_number(booked: Iterable[PricedLine], number: ForNumber | None) -> Decimal | None:
    """The total of days to book with what their number changes."""
    if number is None:
        return total(one.price for one in booked)
    found = total(
        Decimal(0)
        if one.price is None and Choice(one.line.formula_id, one.line.day) in number.paid
        else one.price
        for one in booked
    )
    return None if found is None else found + number.amount


def ticked(cells: Iterable[Cell]) -> Decimal | None:
    """The total of what is ticked to be booked."""
    return total(cell.price for cell in cells if cell.checked and cell.bookable)


def in_words(amount: Decimal | None) -> str:
    """« 38,40 € », or nothing."""
    return "" if amount is None else euros(amount)
