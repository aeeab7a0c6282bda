"""The kinds of reminders. An app says what it finds, once it is ready: `register(Kind(…))`.

`begin(evening)` is asked once a round and answers what finds the news of some households (keys), in a number
of queries that does not depend on how many they are. `say(news)` puts those of one guardian into sentences.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.crypto import salted_hmac

from families.reminders.evenings import Evening


@dataclass(frozen=True)
class News:
    """One thing to remind a household of. `about` tells it from every other one of its kind; `what` is for
    the words of its kind. What is not `urgent` waits for a mail that leaves anyhow."""

    household: int
    about: str
    what: Any
    urgent: bool = True

    @property
    def mark(self) -> str:
        """What is kept of it: says nothing to who reads the table."""
        return salted_hmac("families.reminders", self.about, algorithm="sha256").hexdigest()


@dataclass(frozen=True)
class Line:
    """A sentence of the mail, and where one may act on it."""

    text: str
    path: str


Find = Callable[[Collection[int]], Iterable[News]]


@dataclass(frozen=True)
class Kind:
    code: str
    label: str  # « Avant la fin d'un délai, quand un jour habituel n'est pas réservé »
    heading: str  # of its part of the mail, and its subject where it is alone
    button: str  # « Réserver ces jours »
    begin: Callable[[Evening], Find]
    say: Callable[[Sequence[News]], list[Line]]
    hint: str = ""
    # Whether this town has what it is about; what a town does not use is not offered.
    used: Callable[[], bool] = lambda: True
    # Looked at each hour, also while no mail may leave.
    watch: Callable[[datetime], None] | None = None


_kinds: dict[str, Kind] = {}


def register(kind: Kind) -> None:
    """Adds a kind; the same code again replaces it."""
    _kinds[kind.code] = kind


def all_kinds() -> list[Kind]:
    return list(_kinds.values())


def used_kinds() -> list[Kind]:
    """Those that this town uses."""
    return [kind for kind in all_kinds() if kind.used()]
