"""Places that a thread is handed to: lent by the floor that knows places.

    lend(places)                               for an app, once it is ready
    offered(thread)                            those that it concerns, to choose from
    known() -> {"place": Subquery(…)}          for a list: the name of the place that has each
    of(user)                                   the threads that a place has where this agent may answer
    give(thread, to)                           for `families.threads.writing` only

Who has a thread reads it as before: a place is handed what its own agents see already.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from django.db.models import QuerySet, Subquery

from families.models import Thread


class AtPlace(NamedTuple):
    """A place, as one chooses it."""

    key: int
    name: str

    def __str__(self) -> str:
        return self.name


class Places(Protocol):
    def offered(self, thread: Thread) -> Sequence[AtPlace]: ...

    def name(self) -> Subquery:
        """Of a row of threads: the name of the place that has it."""

    def of(self, user: Any) -> QuerySet[Thread]: ...

    def give(self, thread: Thread, key: int | None) -> None:
        """To a place, or to none."""


_lent: list[Places] = []


def lend(places: Places) -> None:
    _lent[:] = [places]


def offered(thread: Thread) -> list[AtPlace]:
    return [one for places in _lent for one in places.offered(thread)]


def known() -> Mapping[str, Subquery]:
    return {"place": _lent[0].name()} if _lent else {}


def of(user: Any) -> QuerySet[Thread]:
    return _lent[0].of(user) if _lent else Thread.objects.none()


def give(thread: Thread, to: AtPlace | None) -> None:
    for places in _lent:
        places.give(thread, to.key if to else None)
