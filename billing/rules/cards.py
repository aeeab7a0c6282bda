"""Cards of tickets: so many meals for one price. Pure: until when one is valid, and which day takes which
ticket.

Days are taken in their order, each a ticket of the oldest card that covers it and has one left. Nothing is
counted anywhere: the same days and cards give the same tickets, whatever was billed first.
"""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from portal.french.dates import months_after
from portal.french.plurals import agreed


@dataclass(frozen=True)
class Card:
    """A card that was bought: it pays days of these activities from `first` to `last` (none where `last` is
    before)."""

    key: int
    tickets: int
    first: date
    last: date
    activities: frozenset[int]

    def covers(self, day: "Day") -> bool:
        return self.first <= day.day <= self.last and day.activity in self.activities


@dataclass(frozen=True)
class Day:
    """A presence that costs something; of one day, `place` says which comes first."""

    key: Hashable
    activity: int
    day: date
    place: tuple[int, ...] = ()


@dataclass(frozen=True)
class Ticket:
    """The `number`-th ticket of a card."""

    card: int
    number: int


def tickets(cards: Iterable[Card], days: Iterable[Day]) -> dict[Hashable, Ticket]:
    """By day (its key), the ticket that pays it."""
    oldest_first = sorted(cards, key=lambda one: (one.first, one.key))
    taken = dict.fromkeys((one.key for one in oldest_first), 0)
    found: dict[Hashable, Ticket] = {}
    for day in sorted(days, key=lambda one: (one.day, one.place)):
        for card in oldest_first:
            if taken[card.key] < card.tickets and card.covers(day):
                taken[card.key] += 1
                found[day.key] = Ticket(card.key, taken[card.key])
                break
    return found


def last_day(bought: date, *, day: int | None, month: int | None, months: int | None) -> date:
    """Until the next 31 August (`day`, `month`), or for so many months."""
    if months is not None:
        return months_after(bought, months) - timedelta(days=1)
    if day is None or month is None:
        raise ValueError("A card ends on a day of the year, or after some months.")
    # The 31st of a shorter month is its last day.
    ends = (months_after(date(year, 1, day), month - 1) for year in (bought.year, bought.year + 1))
    return next(end for end in ends if end >= bought)


def spans(numbers: Sequence[int]) -> str:
    """« ticket 4 », « tickets 1 à 6 », « tickets 1 à 3 et 7 »."""
    ordered = sorted(numbers)
    runs: list[list[int]] = []
    for number in ordered:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    said = [word for run in runs for word in _run(run)]
    joined = f"{', '.join(said[:-1])} et {said[-1]}" if len(said) > 1 else said[0]
    return f"{agreed(len(ordered), 'ticket', 'tickets')} {joined}"


def _run(run: Sequence[int]) -> list[str]:
    """Two in a row are named each."""
    return [f"{run[0]} à {run[-1]}"] if len(run) > 2 else [str(number) for number in run]
