"""What the processes of a portal know in common of the line, wherever it lies. Two kinds: a file, Redis.

A place has been *given* with a number; who asks again with it *waits*; who is *called* may come in, and who
has come in has *entered*. Somebody who does not ask any more is passed over and keeps their number.
"""

from contextlib import AbstractContextManager
from enum import IntEnum
from typing import Protocol

from portal.waiting.line import Board, Totals


class Trouble(Exception):
    """What is shared cannot be read or written: the door is open."""


class State(IntEnum):
    """Where a place stands."""

    GIVEN = 0
    WAITING = 1
    CALLED = 2
    ENTERED = 3
    GONE = 4  # it has served, or is of another line


class Store(Protocol):
    """All of it may raise Trouble. Moments are seconds since the epoch."""

    @property
    def generation(self) -> str:
        """16 digits: places of another line are none here."""
        ...

    def board(self) -> Board: ...

    def together(self) -> AbstractContextManager[None]:
        """What is asked within is asked at once, where that is cheaper."""
        ...

    def turn(self, patience: float = 0.0) -> AbstractContextManager[bool]:
        """False when another process looks after the line, also after `patience` seconds."""
        ...

    def write_board(self, board: Board) -> None:
        """Within a turn."""
        ...

    def report(self, totals: Totals, at: float) -> None:
        """What this process has done until `at`; its cores are those of its machine."""
        ...

    def totals(self, now: float) -> Totals:
        """Of all processes that live."""
        ...

    def earn(self, more: float, most: float) -> None:
        """Lets `more` families in, of whom `most` may come at one moment."""
        ...

    def spend(self) -> bool:
        """Takes one of them, where there is one."""
        ...

    def take(self) -> int | None:
        """The next number; None when too many wait."""
        ...

    def visit(self, number: int, now: float) -> State:
        """Somebody asks with a place: from now on it waits, unless it was called."""
        ...

    def rank(self, number: int) -> int:
        """1 for the first who waits; of a number that does not wait yet, what it would be."""
        ...

    def waiting(self) -> int: ...

    def call_next(self, now: float, patience: float) -> bool:
        """Calls the smallest number that waits and has asked within `patience`; False when nobody does."""
        ...

    def sit(self, seat: str, minute: int) -> bool:
        """Somebody inside was there in this minute; False when the seat's login was another account's."""
        ...

    def bind(self, seat: str, account: str, minute: int) -> bool:
        """An account logs in from a seat: True for the first one, and for the same again."""
        ...

    def inside(self, minute: int) -> int:
        """How many were there in the last minutes."""
        ...

    def moments(self) -> str:
        """When periods open, as it was last written; "" at first."""
        ...

    def write_moments(self, text: str) -> None: ...
