"""Whether days open that want so many children: pure."""

from datetime import date, timedelta
from enum import Enum

from portal.french import moments
from portal.french.plurals import counted


class Becomes(Enum):
    WAITS = 0
    SURE = 1
    CANCELLED = 2


def decided_on(first: date, days_before: int) -> date:
    """The day on which it is decided at the latest whether what begins on `first` takes place."""
    return first - timedelta(days=days_before)


def becomes(have: int, needed: int, first: date, days_before: int, today: date) -> Becomes:
    """Sure as soon as there are enough children; cancelled once it is time and there are not."""
    if have >= needed:
        return Becomes.SURE
    return Becomes.CANCELLED if today >= decided_on(first, days_before) else Becomes.WAITS


def sentence(needed: int, first: date, days_before: int) -> str:
    """What a family reads of a day that is not sure yet."""
    day = moments.day(decided_on(first, days_before))
    children = counted(needed, "enfant", "enfants")
    return f"Sous réserve : ouvre avec {children} au moins. Réponse le {day} au plus tard."


def apart(needed: int, first: date, days_before: int, *, a_day: bool) -> str:
    """The same beside a sentence that names the day: of that day alone, or of its whole period."""
    day = moments.day(decided_on(first, days_before))
    children = counted(needed, "enfant", "enfants")
    what = "Ce jour ouvre" if a_day else "Toute la période ouvre"
    return f"{what} avec {children} au moins : réponse le {day} au plus tard."
