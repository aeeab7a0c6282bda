"""What is due of a flat price: all of it, a part for who comes or leaves on the way, the share of a home.

Pure. Amounts are euros as `Decimal`, rounded half up to the cent; shares add up to what is shared.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum

from billing.rules.pricing import CENT, rounded
from portal.french.dates import month_name
from portal.french.months import in_words, months_in
from portal.french.plurals import counted


class Begun(StrEnum):
    """How much of it a child pays that is enrolled for a part of its days."""

    WHOLE = "whole"
    DAYS = "days"
    WEEKS = "weeks"


@dataclass(frozen=True)
class Part:
    """`inside` out of `all` days, or weeks; `words` say so, empty where all of it is due."""

    inside: int
    all: int
    words: str = ""

    def of(self, amount: Decimal) -> Decimal:
        return rounded(amount * self.inside / self.all)


ALL = Part(1, 1)


def part(begun: Begun, open_days: Collection[date], enrolled: Collection[tuple[date, date]]) -> Part:
    """What is due of a flat price of these open days to a child enrolled from a day to a day, both included,
    once or several times. All of it where nothing says that the child was enrolled on any of them."""
    inside = [day for day in open_days if any(first <= day <= last for first, last in enrolled)]
    if begun is Begun.WHOLE or not inside:
        return ALL
    if begun is Begun.DAYS:
        found, of, words = len(inside), len(open_days), ("jour ouvert", "jours ouverts")
    else:
        found, of = len(_weeks(inside)), len(_weeks(open_days))
        words = "semaine entamée", "semaines entamées"
    return Part(found, of, f"{counted(found, *words)} sur {of}") if found < of else ALL


def months_said(due_months: int) -> str:
    """« 10 mensualités, de septembre à juin »; empty where a flat price is due each month."""
    if not due_months:
        return ""
    return f"{counted(len(months_in(due_months)), 'mensualité', 'mensualités')}, {in_words(due_months)}"


def not_due(due_months: int, month: date) -> str:
    """« 10 mensualités, de septembre à juin : rien en juillet »."""
    return f"{months_said(due_months)} : rien en {month_name(month, year=False)}"


def due_in(due_months: int, month: date) -> bool:
    """Whether a flat price of a month is due in this one; `due_months` 0: in every one."""
    return not due_months or month.month in months_in(due_months)


def _weeks(days: Collection[date]) -> set[tuple[int, int]]:
    return {day.isocalendar()[:2] for day in days}


def shares(amount: Decimal, days: Sequence[int]) -> list[Decimal]:
    """`amount` shared by days, to the cent; cents that are left over go to the largest remainders, of equal
    ones to the first. All nought where nobody has a day."""
    cents, whole = int(rounded(amount) / CENT), sum(days)
    if not whole:
        return [Decimal("0.00") for _ in days]
    parts = [divmod(cents * mine, whole) for mine in days]
    left = cents - sum(share for share, _ in parts)
    first = sorted(range(len(parts)), key=lambda place: (-parts[place][1], place))[:left]
    return [(share + (place in first)) * CENT for place, (share, _) in enumerate(parts)]
