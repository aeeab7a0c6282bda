"""An invoice paid in so many due dates: their days and amounts. Pure; amounts are euros as `Decimal`."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from billing.rules.pricing import CENT
from portal.french.amounts import euros
from portal.french.dates import months_after, short_day

# A year at most: who needs longer asks the comptable.
MOST = 12


@dataclass(frozen=True)
class Instalment:
    """What is to pay on a day at the latest."""

    due_on: date
    amount: Decimal


def schedule(amount: Decimal, count: int, first: date) -> tuple[Instalment, ...]:
    """`amount` in `count` parts, a month from one to the next; the cents that are left over are on the first
    ones, so that the sum is exact. Nothing where a part would be nothing."""
    cents = int(amount / CENT)
    if count < 1 or cents < count:
        return ()
    part, left = divmod(cents, count)
    return tuple(
        Instalment(months_after(first, place), (part + (place < left)) * CENT) for place in range(count)
    )


def in_words(parts: Sequence[Instalment]) -> str:
    """« en 3 fois : 33,34 € le 30 décembre, 33,33 € le 30 janvier et 33,33 € le 28 février 2027 »."""
    last = len(parts) - 1
    said = [
        f"{euros(one.amount)} le {short_day(one.due_on, year=place == last)}"
        for place, one in enumerate(parts)
    ]
    if not said:
        return ""
    return (
        f"en {len(parts)} fois : {', '.join(said[:-1])} et {said[-1]}" if last else f"en 1 fois : {said[0]}"
    )
