"""Days and months by their French names, « 1er décembre 2026 », « novembre 2026 »; months counted. Pure."""

import calendar
from datetime import date, timedelta

from portal.french.letters import bare

WEEKDAYS = ("lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche")
MONTHS = (
    "janvier",
    "février",
    "mars",
    "avril",
    "mai",
    "juin",
    "juillet",
    "août",
    "septembre",
    "octobre",
    "novembre",
    "décembre",
)
SHORT_WEEKDAYS = ("lun.", "mar.", "mer.", "jeu.", "ven.", "sam.", "dim.")
SHORT_MONTHS = ("jan", "fév", "mar", "avr", "mai", "juin", "juil", "août", "sep", "oct", "nov", "déc")


def month_name(day: date, *, year: bool = True) -> str:
    """« novembre 2026 », the month that `day` is of; « novembre » without `year`."""
    return f"{MONTHS[day.month - 1]} {day.year}" if year else MONTHS[day.month - 1]


def months_after(day: date, months: int) -> date:
    """The same day so many months later (earlier where negative); the 31st becomes the last day of a shorter
    month."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def end_of_month(day: date) -> date:
    """The last day of the month that `day` is of."""
    return months_after(day.replace(day=1), 1) - timedelta(days=1)


def short_month(day: date) -> str:
    """« nov », where a chart has room for no more."""
    return SHORT_MONTHS[day.month - 1]


# « mar » may be two of them, « ju » too.
SHORTEST_BEGINNING = 3


def month_begun(word: str) -> int | None:
    """The number of the month that is called so, whole or by how it begins: « janv », « fevrier »; None for
    what may be several, or none."""
    said = bare(word)
    begun = [number for number, name in enumerate(MONTHS, 1) if bare(name).startswith(said)]
    return begun[0] if len(begun) == 1 and len(said) >= SHORTEST_BEGINNING else None


def day_number(number: int) -> str:
    """« 1er », « 26 »: a day in its month."""
    return "1er" if number == 1 else str(number)


def short_day(day: date, *, year: bool = False) -> str:
    """« 26 novembre », « 1er décembre 2026 » with `year`."""
    return f"{day_number(day.day)} {month_name(day) if year else MONTHS[day.month - 1]}"
