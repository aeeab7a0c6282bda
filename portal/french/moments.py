"""Days and moments as a French letter writes them: « jeudi 26 novembre à 12 h »."""

import re
from collections.abc import Sequence
from datetime import date, datetime, time

from django.utils import timezone
from django.utils.text import capfirst

from portal.french.amounts import NBSP
from portal.french.dates import WEEKDAYS, day_number, short_day

LAST_MINUTE = time(23, 59)
_HOUR = re.compile(r"(?<!\d)([01]?\d|2[0-3])\s?[hH](?:\s?([0-5]\d))?(?!\s?\d)")


def day(day: date, *, year: bool = False) -> str:
    """« jeudi 26 novembre »; with `year`, « jeudi 26 novembre 2026 »."""
    return f"{WEEKDAYS[day.weekday()]} {short_day(day, year=year)}"


def coming(day_: date, today: date) -> str:
    """« Aujourd'hui, lundi 30 novembre », « Demain, mardi 1er décembre », « Jeudi 3 décembre »."""
    said = day(day_)
    near = {0: "Aujourd'hui", 1: "Demain"}.get((day_ - today).days)
    return f"{near}, {said}" if near else capfirst(said)


def hour(at: time) -> str:
    """« 12 h », « 8 h 30 », « 0 h », with spaces that do not break."""
    return f"{at.hour}{NBSP}h{NBSP}{at.minute:02}" if at.minute else f"{at.hour}{NBSP}h"


def hours_in(words: str) -> tuple[time, time] | None:
    """From when until when, as a name says it: « De 16 h 30 à 18 h », « 7h30-8h30 »; None where it does not
    name exactly two hours, the earlier one first."""
    found = [time(int(hours), int(minutes or 0)) for hours, minutes in _HOUR.findall(words)]
    return (found[0], found[1]) if len(found) == 2 and found[0] < found[1] else None


def _local(moment: datetime) -> datetime:
    return moment.astimezone(timezone.get_current_timezone())


def moment(moment: datetime, *, year: bool = False) -> str:
    """« jeudi 26 novembre à 12 h », in the portal's time zone. An aware moment is expected."""
    local = _local(moment)
    return f"{day(local, year=year)} à {hour(local.time())}"


def until(moment: datetime, *, year: bool = False) -> str:
    """« jusqu'au jeudi 26 novembre à 12 h »; the end of a day is « jusqu'au jeudi 26 novembre inclus »."""
    local = _local(moment)
    if local.time() >= LAST_MINUTE:
        return f"jusqu'au {day(local, year=year)} inclus"
    return f"jusqu'au {day(local, year=year)} à {hour(local.time())}"


def since(moment: datetime, *, year: bool = False) -> str:
    """« depuis le jeudi 26 novembre à 12 h »; the end of a day is « depuis le jeudi 26 novembre au soir »."""
    local = _local(moment)
    if local.time() >= LAST_MINUTE:
        return f"depuis le {day(local, year=year)} au soir"
    return f"depuis le {day(local, year=year)} à {hour(local.time())}"


def opening(moment: datetime, *, year: bool = False) -> str:
    """« à partir du lundi 21 août à 7 h »; the start of a day is « à partir du lundi 21 août »."""
    local = _local(moment)
    if local.time() == time(0, 0):
        return f"à partir du {day(local, year=year)}"
    return f"à partir du {day(local, year=year)} à {hour(local.time())}"


def span(first: date, last: date, *, year: bool = False) -> str:
    """« le 4 mai », « du 19 au 30 décembre », « du 19 décembre au 3 janvier »."""
    if first == last:
        return f"le {short_day(first, year=year)}"
    if (first.year, first.month) == (last.year, last.month):
        return f"du {day_number(first.day)} au {short_day(last, year=year)}"
    return f"du {short_day(first, year=year and first.year != last.year)} au {short_day(last, year=year)}"


def listing(words: Sequence[str]) -> str:
    """« lundi, mardi et jeudi »."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} et {words[-1]}"


def brief(moment: datetime) -> str:
    """« 26/11 à 12 h », for a small cell; the end of a day is « 26/11 »."""
    local = _local(moment)
    if local.time() >= LAST_MINUTE or local.time() == time(0, 0):
        return f"{local:%d/%m}"
    return f"{local:%d/%m} à {hour(local.time())}"


def enumerate_days(days: Sequence[date]) -> str:
    """« jeudi 26 novembre et vendredi 27 novembre »; beyond six, the first five and how many more."""
    words = [day(each) for each in days]
    if len(words) > 6:
        return f"{', '.join(words[:5])} et {len(words) - 5} autres jours"
    return listing(words)
