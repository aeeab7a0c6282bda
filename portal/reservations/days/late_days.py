"""« The first late days of a month cost nothing more »: counted here by all who price them. Pure."""

from collections import Counter
from collections.abc import Hashable
from datetime import date


class LateDays:
    """Late days, counted one after the other in the order in which they are to be forgiven.

    `whose` they are says which count together: a formula's, of a child in a household. `allowed` is what the
    deadline of each day forgives in a month (LateTerms.free_a_month).
    """

    def __init__(self) -> None:
        self._seen: Counter[tuple[Hashable, int, int]] = Counter()

    def add(self, whose: Hashable, day: date) -> None:
        """Counts a day that is priced elsewhere."""
        self._seen[whose, day.year, day.month] += 1

    def left(self, whose: Hashable, day: date, allowed: int) -> int:
        """How many more days of that month would cost nothing more."""
        return max(allowed - self._seen[whose, day.year, day.month], 0)

    def take(self, whose: Hashable, day: date, allowed: int) -> bool:
        """Counts the day. Whether it is one of those that cost nothing more."""
        forgiven = self.left(whose, day, allowed) > 0
        self.add(whose, day)
        return forgiven
