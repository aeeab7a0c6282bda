"""What a parent is told of prices while reserving. The engine knows none: a service lends the way to ask.

costs = pricer(enrolment, first, last)      a few queries, then none
costs.on(formula_id, day, late=False)       euros, or None where no price of a day can be said
"""

from collections.abc import Callable, Iterable
from datetime import date
from decimal import Decimal
from typing import Protocol

from portal.reservations import french
from portal.reservations.models import Enrolment, ReservationLine
from portal.reservations.planning import Cell, Planning
from portal.reservations.standing import Open, Where
from portal.reservations.states import Action


class Costs(Protocol):
    """The prices of an enrolled child between two days."""

    def on(self, formula_id: int, day: date, *, late: bool = False) -> Decimal | None: ...


Pricer = Callable[[Enrolment, date, date], Costs]


def put_on(plan: Planning, pricer: Pricer) -> None:
    """Gives its price to every cell that can be booked."""
    cells = [cell for cell in plan.cells.values() if cell.bookable]
    if not cells:
        return
    costs = pricer(plan.enrolment, cells[0].day, cells[-1].day)
    for cell in cells:
        cell.price = costs.on(cell.choice.formula_id, cell.day, late=cell.late)
        if cell.price is not None:
            cell.name += f", {french.euros(cell.price)}"


def put_on_lines(lines: Iterable[ReservationLine], where: Where, pricer: Pricer) -> None:
    """Gives their price to a draft's days to book: late ones by what `where` says of them now."""
    booked = [line for line in lines if line.action == Action.BOOK]
    if not booked:
        return
    days = [line.day for line in booked]
    costs = pricer(where.enrolment, min(days), max(days))
    for line in booked:
        answer = where.booking(line.formula_id, line.day)
        late = isinstance(answer, Open) and answer.standing.is_late
        price = costs.on(line.formula_id, line.day, late=late)
        line.price = price
        line.price_text = "" if price is None else french.euros(price)


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
    return "" if amount is None else french.euros(amount)
