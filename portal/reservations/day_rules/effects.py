"""From which day an enrolment, or a change of its usual days, takes effect: pure."""

from collections.abc import Callable
from datetime import date, timedelta
from enum import StrEnum

from portal.french import moments
from portal.french.dates import months_after
from portal.french.plurals import counted

# An activity that does not open for so long takes effect then all the same.
FARTHEST = 400


class Effect(StrEnum):
    AT_ONCE = ""
    NEXT_MONTH = "next_month"
    DAYS = "days"
    OPEN_DAYS = "open_days"


def first_day(effect: Effect, number: int, today: date, is_open: Callable[[date], bool]) -> date:
    """The first day with what is asked for today. After `number` days: that many, today not counted; after so
    many open days, the one on which the last of them falls."""
    match effect:
        case Effect.NEXT_MONTH:
            return months_after(today.replace(day=1), 1)
        case Effect.DAYS:
            return today + timedelta(days=number)
        case Effect.OPEN_DAYS:
            left = number
            for after in range(1, FARTHEST):
                day = today + timedelta(days=after)
                left -= is_open(day)
                if left <= 0:
                    return day
            return today + timedelta(days=FARTHEST)
    return today


def in_words(effect: Effect, number: int) -> str:
    """« le premier jour du mois suivant », « 15 jours après la demande »; nothing where it is at once."""
    match effect:
        case Effect.NEXT_MONTH:
            return "le premier jour du mois suivant"
        case Effect.DAYS:
            return f"{counted(number, 'jour', 'jours')} après la demande"
        case Effect.OPEN_DAYS:
            return f"{counted(number, 'jour', 'jours')} d'ouverture après la demande"
    return ""


def sentence(effect: Effect, number: int, first: date) -> str:
    """What a family reads that asks today."""
    words = in_words(effect, number)
    if not words:
        return ""
    day = moments.day(first, year=True)
    return f"Une inscription, ou un changement de jours habituels, prend effet {words} : à partir du {day}."
