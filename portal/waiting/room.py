"""The verbs of the waiting room: somebody arrives, comes back, comes in; the desk opens, closes, paces."""

import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

from portal.waiting import line, moments
from portal.waiting.line import Board, Mode
from portal.waiting.meter import Meter
from portal.waiting.moments import Known
from portal.waiting.store import State, Store, Trouble

# How often the line is looked after, in seconds, and what opens when is read again.
LOOK_EVERY, MOMENTS_EVERY = 0.25, 2.0
DESK_PATIENCE = 2.0


@dataclass(frozen=True, slots=True)
class ComesIn:
    """Somebody comes in, with a seat that one account may log in from."""

    seat: str


@dataclass(frozen=True, slots=True)
class Waits:
    """Somebody waits: with a number (None: too many wait), at a place (1: the first), for so many seconds."""

    number: int | None
    rank: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Standing:
    """What the desk is told: the board, who waits, who is inside, what opens."""

    board: Board
    waiting: int
    inside: int
    known: Known


class Room:
    """`name_seat` names the seat of somebody called, always the same for one text: who asks twice has one."""

    def __init__(self, store: Store, meter: Meter, name_seat: Callable[[str], str]) -> None:
        self.store, self.meter = store, meter
        self._name_seat = name_seat
        self._lock = threading.Lock()
        self._looked_at = self._read_at = 0.0
        self._known = Known()
        self._reported = 0

    def known(self, now: float) -> Known:
        """What opens when, as read lately."""
        if not 0 <= now - self._read_at < MOMENTS_EVERY:
            self._known, self._read_at = moments.read(self.store.moments()), now
        return self._known

    # The line ----------------------------------------------------------------------------------------------

    def look(self, now: float, *, at_once: bool = False) -> None:
        """Looks after the line, now and then: who comes in next, how fast, whether the room is open."""
        with self._lock:
            if not at_once and 0 <= now - self._looked_at < LOOK_EVERY:
                return
            self._looked_at = now
        self.report(now)
        with self.store.turn() as mine:
            if not mine:
                return
            before = self.store.board()
            if not at_once and 0 <= now - before.looked_at < LOOK_EVERY / 2:
                return
            waiting = self.store.waiting()
            board = line.look(
                before,
                self.store.totals(now),
                now=now,
                waiting=waiting,
                expected=self.known(now).expected(now),
            )
            self.store.write_board(board)
            more = line.earned(before, now)
            if board.open and not before.open:
                more = line.burst(board.pace)
            self.store.earn(more, line.burst(board.pace))
            while waiting and self.store.spend():
                if not self.store.call_next(now, line.PATIENCE):
                    self.store.earn(1.0, line.burst(board.pace))
                    break

    def report(self, now: float) -> None:
        """Tells the others what this process is at."""
        totals = self.meter.totals(now)
        self._reported = totals.in_progress
        self.store.report(totals, now)

    def note(self, now: float) -> None:
        """A request begins: told at once where more are in progress than the others know."""
        if self.meter.in_progress > max(1, self._reported):
            self.report(now)

    def arrive(self) -> ComesIn | Waits:
        """Somebody without a place, while the room is open."""
        with self.store.together():
            waiting = self.store.waiting()
            if not waiting and self.store.spend():
                return ComesIn(secrets.token_hex(8))
            return self._waits(self.store.take(), waiting + 1)

    def queue(self) -> Waits:
        """At the end of the line, also where somebody could come in."""
        with self.store.together():
            return self._waits(self.store.take(), self.store.waiting() + 1)

    def come_back(self, generation: str, number: int, now: float) -> ComesIn | Waits:
        """Somebody with a place; one of another line, or that has served, is none."""
        with self.store.together():
            if generation != self.store.generation:
                return self.arrive()
            state = self.store.visit(number, now)
            if state in (State.CALLED, State.ENTERED):
                return ComesIn(self._name_seat(f"{generation}-{number}"))
            if state is State.GONE:
                return self.arrive()
            return self._waits(number, self.store.rank(number))

    def _waits(self, number: int | None, rank: int) -> Waits:
        return Waits(number, rank, line.wait(rank, self.store.board().pace))

    # The desk ----------------------------------------------------------------------------------------------

    def standing(self, now: float) -> Standing:
        with self.store.together():
            return Standing(
                self.store.board(),
                self.store.waiting(),
                self.store.inside(int(now // 60)),
                moments.read(self.store.moments()),
            )

    def direct(self, mode: Mode, wanted_pace: float, now: float) -> None:
        """The desk opens the room, closes it or leaves it to itself; `wanted_pace` 0: as measured."""
        with self.store.turn(DESK_PATIENCE) as mine:
            if not mine:
                raise Trouble("Others look after the line all the time")
            board = self.store.board()
            self.store.write_board(replace(board, mode=mode, wanted_pace=wanted_pace))
        self.look(now, at_once=True)
