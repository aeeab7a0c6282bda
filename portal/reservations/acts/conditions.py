"""What has to be there before a place is given: a paper, a text accepted, nothing owed since a decision…

Whoever knows such a thing registers who says what is missing. Verbs ask under their locks, pages before: both
read the same sentence. A condition that the town does not use answers without a query (`KeptAWhile`).
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from portal.reservations.models import Activity, Enrolment
from portal.reservations.states import Override


@dataclass(frozen=True)
class Unmet:
    """What is missing, as the family reads it, and where it mends it.

    `stops`: no place before it is there; otherwise it is only said. `only_late`: it speaks against days past
    their deadline, and no others; `days`: against these of the wish, which has others (None: against all).
    `kind`: what the town hall passes over by booking all the same.
    """

    kind: Override
    sentence: str
    stops: bool = True
    only_late: bool = False
    link: str = ""
    address: str = ""
    days: frozenset[date] | None = None

    @property
    def is_whole(self) -> bool:
        """Whether it speaks against any day of the wish."""
        return self.stops and not self.only_late and self.days is None

    def speaks_against(self, day: date, *, late: bool) -> bool:
        """Whether it does, among others that may be booked."""
        return self.stops and (late or not self.only_late) and (self.days is None or day in self.days)


@dataclass(frozen=True)
class Wish:
    """A place that is asked for: an activity in a school year, and its days where days are booked; with none,
    an enrolment. `enrolment` (its key) where there is one."""

    household: int
    child: int
    activity: Activity
    school_year: int
    days: frozenset[date] = frozenset()
    enrolment: int | None = None

    @classmethod
    def of(cls, enrolment: Enrolment, days: Iterable[date]) -> "Wish":
        return cls(
            enrolment.household_id,
            enrolment.child_id,
            enrolment.activity,
            enrolment.school_year_id,
            frozenset(days),
            enrolment.pk,
        )


# What is missing for each wish, in their order, in a fixed number of queries for any number of them.
Condition = Callable[[Sequence[Wish], datetime], Sequence[Sequence[Unmet]]]
_conditions: list[Condition] = []


def register(condition: Condition) -> None:
    """Once, however often an app gets ready."""
    if condition not in _conditions:
        _conditions.append(condition)


def unmet(wishes: Sequence[Wish], at: datetime) -> list[list[Unmet]]:
    """What is missing for each, in their order."""
    found: list[list[Unmet]] = [[] for _ in wishes]
    for condition in _conditions if wishes else ():
        for mine, more in zip(found, condition(wishes, at), strict=True):
            mine.extend(more)
    return found


def in_the_way(enrolment: Enrolment, days: Iterable[date], at: datetime) -> list[Unmet]:
    """What stops days from being booked with an enrolment."""
    (found,) = unmet([Wish.of(enrolment, days)], at)
    return [one for one in found if one.stops]
