"""What stands in a family's agenda: values that the page finds and `ics` writes."""

from dataclasses import dataclass
from datetime import date, datetime, time


@dataclass(frozen=True)
class Entry:
    """What stands in the agenda from day `first` to day `last`, at `hours` where they are known.

    `uid` stays the same as long as it is the same thing; `changed` (aware) is when it last changed.
    """

    uid: str
    summary: str
    first: date
    last: date
    changed: datetime
    hours: tuple[time, time] | None = None
    certain: bool = True
