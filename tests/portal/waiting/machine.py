"""A machine in figures: families come in as the board lets them, ask, think, ask again.

What a machine really does says `make rush`; here the rules are seen to come to rest, whatever its size.
"""

import random
from dataclasses import dataclass, field, replace

from portal.waiting import line
from portal.waiting.line import Board, Mode, Totals

T0 = 1_800_000_000.0
STEP = 0.025
LOOKED_AT_EVERY = 10


@dataclass
class Request:
    of_visit: int  # how many of the visit are left, this one included
    asked_at: float
    work: float  # seconds of a processor


@dataclass
class Machine:
    """Seconds of processor for a family: `web` of the portal's, `beside` of the database; `others` is what
    else the processors do. Who is called comes within `coming` seconds, and thinks before each request."""

    cores: int = 2
    threads: int = 12
    web: float = 0.2
    beside: float = 0.19
    others: float = 0.0
    thinking: float = 1.0
    coming: float = 10.0
    requests: int = 13
    chance: random.Random = field(default_factory=lambda: random.Random(2026))
    now: float = T0
    served: int = 0
    late: list[float] = field(default_factory=list)  # how long each answer took

    def __post_init__(self) -> None:
        self.totals, self.board, self.may_come = Totals(cores=self.cores), Board(mode=Mode.OPEN), 0.0
        self.thinkers: list[tuple[float, int]] = []
        self.queue: list[Request] = []
        self.running: list[Request] = []

    @property
    def capacity(self) -> float:
        """Families a second."""
        return (self.cores - self.others) / (self.web + self.beside)

    def run(self, seconds: float) -> None:
        for step in range(round(seconds / STEP)):
            self.now += STEP
            self._ask()
            self._answer()
            if step % LOOKED_AT_EVERY == 0:
                self._look()

    def _ask(self) -> None:
        asking = [one for one in self.thinkers if one[0] <= self.now]
        self.thinkers = [one for one in self.thinkers if one[0] > self.now]
        for _, left in asking:
            # The password is three times the work of another page.
            share = (3.0 if left == self.requests else 0.83) * self.chance.uniform(0.7, 1.3) / self.requests
            self.queue.append(Request(left, self.now, (self.web + self.beside) * share))

    def _answer(self) -> None:
        lay, taken, ended, logins, used = 0.0, 0, 0, 0, 0.0
        while self.queue and len(self.running) < self.threads:
            self.running.append(self.queue.pop(0))
            lay, taken = lay + self.now - self.running[-1].asked_at, taken + 1
        share = min(1.0, (self.cores - self.others) / max(1, len(self.running))) * STEP
        for one in list(self.running):
            used += min(share, one.work)
            one.work -= share
            if one.work <= 0:
                self.running.remove(one)
                self.late.append(self.now - one.asked_at)
                ended, logins = ended + 1, logins + (one.of_visit == self.requests)
                if one.of_visit > 1:
                    back = self.now + self.chance.expovariate(1 / self.thinking)
                    self.thinkers.append((back, one.of_visit - 1))
                else:
                    self.served += 1
        old = self.totals
        self.totals = replace(
            old,
            progress=old.progress + len(self.running) * STEP,
            lay=old.lay + lay,
            taken=old.taken + taken,
            cpu=old.cpu + used * self.web / (self.web + self.beside),
            logins=old.logins + logins,
            served=old.served + ended,
        )

    def _look(self) -> None:
        earned = self.may_come + line.earned(self.board, self.now)
        self.may_come = min(line.burst(self.board.pace), earned)
        self.board = line.look(self.board, self.totals, now=self.now, waiting=500, expected=True)
        while self.may_come >= 1:
            self.may_come -= 1
            self.thinkers.append((self.now + self.chance.uniform(0, self.coming), self.requests))
