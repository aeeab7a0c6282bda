"""Months of the year as one number, bit 0 for January: « de septembre à juin ». Pure."""

from collections.abc import Iterable
from datetime import date

from portal.french.dates import month_name

# September first, as a school year goes.
IN_ORDER = tuple((month + 8) % 12 + 1 for month in range(12))


def called(month: int) -> str:
    """« septembre » of 9."""
    return month_name(date(2000, month, 1), year=False)


def months_in(mask: int) -> list[int]:
    """The numbers of the months, 1 for January, September first."""
    return [month for month in IN_ORDER if mask >> (month - 1) & 1]


def months_mask(months: Iterable[int]) -> int:
    found = 0
    for month in months:
        found |= 1 << (month - 1)
    return found


def months_between(first: int, last: int) -> list[int]:
    """From a month to another one, over the turn of the year: 9 and 6 are September to June."""
    return [(first - 1 + step) % 12 + 1 for step in range((last - first) % 12 + 1)]


def in_words(mask: int) -> str:
    """« de septembre à juin », « en novembre, février et mai »."""
    months = months_in(mask)
    for first in months:
        if len(months) > 1 and set(months_between(first, _before(first, len(months)))) == set(months):
            return f"de {called(first)} à {called(_before(first, len(months)))}"
    names = [called(month) for month in months]
    return (
        f"en {', '.join(names[:-1])} et {names[-1]}" if len(names) > 1 else f"en {names[0]}" if names else ""
    )


def _before(first: int, count: int) -> int:
    return (first - 1 + count - 1) % 12 + 1
