"""Values of a file of towns, read as generously as towns write them (« 9h », « 09:00 », « lundi », « mon »).

What no reading covers raises Unreadable, which says in French where it stands and what is expected.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from django.utils import timezone

from portal.french import numbers
from portal.french.dates import WEEKDAYS

ENGLISH_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
LARGEST = 10**9
LAST_MINUTE = time(23, 59)
TRUE_WORDS = ("true", "oui", "yes", "1")
FALSE_WORDS = ("false", "non", "no", "0")


class Unreadable(ValueError):
    """« tariffs › repas › late : « beaucoup » n'est pas un montant. »"""

    def __init__(self, text: str, *where: str) -> None:
        super().__init__(text)
        self.text = text
        self.where = where

    def __str__(self) -> str:
        return f"{' › '.join(self.where)} : {self.text}" if self.where else self.text


@contextmanager
def within(*where: object) -> Iterator[None]:
    """What cannot be read inside is said to stand there."""
    try:
        yield
    except Unreadable as error:
        raise Unreadable(error.text, *map(str, where), *error.where) from error


def plain(word: Any) -> str:
    return str(word).strip().lower().replace("é", "e")


def listed(value: Any) -> Sequence[Any]:
    """A list, whether one value is written alone, several, or none."""
    if value is None:
        return []
    return value if isinstance(value, Sequence) and not isinstance(value, str) else [value]


def first_of(row: Mapping[str, Any], *keys: str) -> Any:
    """The value under the first key that is there, or None."""
    return next((row[key] for key in keys if key in row), None)


def _is_not(value: Any, expected: str) -> Unreadable:
    return Unreadable("La valeur manque." if value is None else f"« {value} » n'est pas {expected}.")


def read_amount(value: Any) -> Decimal:
    """« 2.50 », « 2,50 € », « 1 250 », 2.5."""
    try:
        number = Decimal(numbers.plain(str(value).replace("%", "")))
    except InvalidOperation:
        raise _is_not(value, "un montant") from None
    if not number.is_finite() or abs(number) > LARGEST:
        raise _is_not(value, "un montant")
    return number


def optional_amount(value: Any) -> Decimal | None:
    return None if value is None else read_amount(value)


def read_number(value: Any) -> int:
    """A whole number, never negative: 3, « 3 »."""
    text = str(value).strip()
    if not (text.isascii() and text.isdigit()):
        raise _is_not(value, "un nombre entier")
    return int(text)


def read_up_to(value: Any, most: int) -> int:
    """A whole number that makes sense."""
    number = read_number(value)
    if number > most:
        raise Unreadable(f"« {value} » est trop grand : {most} au plus.")
    return number


def read_flag(value: Any) -> bool:
    """true, « oui », « yes », 1, and their contraries."""
    word = plain(value)
    if word not in TRUE_WORDS + FALSE_WORDS:
        raise Unreadable(f"« {value} » n'est ni oui ni non.")
    return word in TRUE_WORDS


def read_weekday(word: Any) -> int:
    """0 is Monday: « mon », « monday », « lundi »."""
    name = plain(word)
    for day in range(7):
        if len(name) >= 3 and (name.startswith(ENGLISH_DAYS[day]) or WEEKDAYS[day].startswith(name)):
            return day
    raise _is_not(word, "un jour de la semaine")


def read_time(value: Any) -> time | None:
    """'09:00', '9h', '12h30', '24:00', or 540 (09:00 read as minutes by YAML 1.1); None is the whole day."""
    if value is None or isinstance(value, time):
        return value
    if isinstance(value, int):
        value = f"{value // 60:02}:{value % 60:02}"
    hours, _, minutes = plain(value).replace("h", ":").replace(" ", "").partition(":")
    try:
        if int(hours) == 24:
            return LAST_MINUTE
        return time(int(hours), int(minutes[:2] or 0))
    except ValueError:
        raise _is_not(value, "une heure, par exemple 09:00") from None


def read_day(value: Any) -> date:
    """A date, or the day of a moment."""
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    try:
        return date.fromisoformat(str(value)[:10])
    except ValueError:
        raise _is_not(value, "une date, par exemple 2026-12-03") from None


def optional_day(value: Any) -> date | None:
    return None if value is None else read_day(value)


def read_moment(value: Any, *, last_minute: bool = False) -> datetime:
    """A local moment, made aware. A date alone is its first moment, or its last minute with `last_minute`."""
    if isinstance(value, datetime):
        moment = value
    elif isinstance(value, date) or len(str(value)) == 10:
        moment = datetime.combine(read_day(value), LAST_MINUTE if last_minute else time())
    elif str(value)[11:13] == "24":
        moment = datetime.combine(read_day(value), time()) + timedelta(days=1)
    else:
        try:
            moment = datetime.fromisoformat(str(value))
        except ValueError:
            raise _is_not(value, "une date avec son heure, par exemple 2026-12-03T09:00") from None
    return timezone.make_aware(moment) if timezone.is_naive(moment) else moment
