"""What a parent is told of prices while reserving. The engine knows none: a service lends the way to ask.

costs = pricer(enrolment, first, last)      a few queries, then none
costs.on(formula_id, day, late=False)       euros, or None where no price of a day can be said
costs.free_late(formula_id, day)            late days of that month that cost nothing more
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Protocol

from portal.french.amounts import euros
from portal.reservations.days.standing import (
    Open,
    Where,
)
from portal.reservations.models import Enrolment, ReservationLine
from portal.reservations.pages.cells import (
    Cell,
    Forgiving,
)
from portal.reservations.pages.planning import Planning
from portal.reservations.states import Action


class Costs(Protocol):
    """The prices of an enrolled child between two days."""

    def on(self, formula_id: int, day: date, *, late: bool = False) -> Decimal | None: ...

    def free_late(self, formula_id: int, day: date) -> int: ...


Pricer = Callable[[Enrolment, date, date], Costs]


class Allowance:
    """The late days that cost nothing more, given to one after the other, by formula and month."""

    def __init__(self, costs: Costs) -> None:
        self._costs = costs
        self._left: dict[tuple[int, int, int], int] = {}

    def left(self, formula_id: int, day: date) -> int:
        key = (formula_id, day.year, day.month)
        if key not in self._left:
            self._left[key] = self._costs.free_late(formula_id, day)
        return self._left[key]

    def take(self, formula_id: int, day: date) -> bool:
        """Whether the late day is one of them."""
        if not self.left(formula_id, day):
            return False
        self._left[formula_id, day.year, day.month] -= 1
        return True


def put_on(plan: Planning, pricer: Pricer) -> None:
    """Gives its price to every cell that can be booked: late ones that are not chosen say what the next one
    chosen costs."""
    cells = [cell for cell in plan.cells.values() if cell.bookable]
    if not cells:
        return
    costs = pricer(plan.enrolment, cells[0].day, cells[-1].day)
    allowance = Allowance(costs)
    forgiven = {cell.choice for cell in cells if cell.late and cell.checked and allowance.take(*cell.choice)}
    for cell in cells:
        free = cell.late and (cell.choice in forgiven if cell.checked else bool(allowance.left(*cell.choice)))
        cell.price = costs.on(*cell.choice, late=cell.late and not free)
        if cell.late and (allowed := costs.free_late(*cell.choice)):
            usual, late = costs.on(*cell.choice), costs.on(*cell.choice, late=True)
            if usual is not None and late is not None:
                cell.forgiving = Forgiving(usual, late - usual, allowed)
        if cell.price is not None:
            cell.name += f", {euros(cell.price)}"


@dataclass(frozen=True)
class PricedLine:
    """A line of a draft as it is checked before recording, with its price where one is known."""

    line: ReservationLine
    price: Decimal | None = None

    @property
    def price_text(self) -> str:
        return in_words(self.price)


def of_lines(lines: Iterable[ReservationLine], where: Where, pricer: Pricer) -> list[PricedLine]:
    """A draft's days to book with their price, by day: late ones by what `where` says of them now."""
    booked = [line for line in lines if line.action == Action.BOOK]
    if not booked:
        return []
    days = [line.day for line in booked]
    costs = pricer(where.enrolment, min(days), max(days))
    allowance = Allowance(costs)
    priced = []
    for line in sorted(booked, key=lambda line: line.day):
        answer = where.booking(line.formula_id, line.day)
        late = isinstance(answer, Open) and answer.standing.is_late
        late = late and not allowance.take(line.formula_id, line.day)
        priced.append(PricedLine(line, costs.on(line.formula_id, line.day, late=late)))
    return priced


def total(prices: Iterable[Decimal | None]) -> Decimal | None:
    """Their sum; None when there are none, or when one is not known: half a sum would mislead."""
    found = list(prices)
    known = [price for price in found if price is not None]
    return sum(known, Decimal(0)) if known and len(known) == len(found) else None


def ticked(cells: Iterable[Cell]) -> Decimal | None:
    """The total of what is ticked to be booked."""
    return total(cell.price for cell in cells if cell.checked and cell.bookable)


def in_words(amount: Decimal | None) -> str:
    """« 38,40 € », or nothing."""
    return "" if amount is None else euros(amount)
