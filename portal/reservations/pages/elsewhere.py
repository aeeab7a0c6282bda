"""Days chosen on the part of a planning that is not shown: the page counts them with those that are."""

import json
from collections.abc import Iterable

from portal.reservations.pages.cells import Cell
from portal.reservations.pages.planning import Planning


class Elsewhere:
    """What is ticked beyond the week or the month shown, as attributes of the page's counter."""

    def __init__(self, cells: Iterable[tuple[Planning, Cell | None]]) -> None:
        self._chosen = [(plan, cell) for plan, cell in cells if cell is not None and cell.checked]
        self._booked = [(plan, cell) for plan, cell in self._chosen if cell.bookable]

    @property
    def days(self) -> int:
        """How many days are chosen there."""
        return len(self._chosen)

    @property
    def overdue(self) -> int:
        """How many of those to book are past their deadline."""
        return sum(cell.late for _, cell in self._booked)

    @property
    def cents(self) -> str:
        """What those cost, in cents; nothing when it is not known of each. Without `late`."""
        prices = [cell.price for _, cell in self._booked if cell.forgiving is None]
        if None in prices:
            return ""
        return str(sum(int((price or 0) * 100) for price in prices))

    @property
    def late(self) -> str:
        """The late ones among them that may bear no surcharge, as JSON: which of them do is for the browser
        to count, with those that are shown."""
        late = [
            {
                "day": cell.day.isoformat(),
                "price": int(cell.forgiving.usual * 100),
                "latePrice": int(cell.forgiving.late * 100),
                "lateMonth": f"{cell.month}{plan.suffix}",
                "lateLeft": cell.forgiving.left,
            }
            for plan, cell in self._booked
            if cell.forgiving
        ]
        return json.dumps(late)
