"""The client: a process of its own in which each family is a coroutine.

`python -m tests.bench.rush.crowd PLAN FOUND` reads what is wanted from PLAN and writes what happened to
FOUND, both JSON; it says how far it is on stderr every ten seconds. It imports no Django.
"""

import asyncio
import gc
import json
import resource
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

from tests.bench.rush import family
from tests.bench.rush.family import Errand, Outcome
from tests.bench.rush.visit import Visit

SAYS_EVERY = 10
# Families' addresses: all of 10.0.0.0/8, and no two the same.
NETWORKS, SCATTER = 1 << 24, 2_654_435_761


def network_of(number: int) -> str:
    """An address of its own, far from that of the family before."""
    place = (number + 1) * SCATTER % NETWORKS
    return f"10.{place >> 16}.{place >> 8 & 255}.{place & 255}"


class Crowd:
    """All arrive within `seconds`; the last may still be there `patience` after that."""

    def __init__(self, plan: dict[str, Any]) -> None:
        self.server = (str(plan["server"][0]), int(plan["server"][1]))
        self.errands = [Errand(**one) for one in plan["errands"]]
        self.seconds = float(plan["seconds"])
        self.thinking = float(plan["thinking"])
        self.patience = float(plan["patience"])
        self.with_files = bool(plan["with_files"])
        self.first = int(plan["first"])
        self.rng = Random(plan["seed"])
        self.outcomes: list[Outcome] = []
        self.visits: dict[int, tuple[float, Visit]] = {}

    async def come(self) -> None:
        arrivals = sorted(self.rng.uniform(0, self.seconds) for _ in self.errands)
        self.began = time.monotonic()
        says = asyncio.create_task(self._say())
        coming = [
            asyncio.create_task(self._one(number, errand, after))
            for number, (errand, after) in enumerate(zip(self.errands, arrivals, strict=True))
        ]
        _, late = await asyncio.wait(coming, timeout=self.seconds + self.patience)
        for one in late:
            one.cancel()
        for one in [*late, says]:
            one.cancel()
            with suppress(asyncio.CancelledError):
                await one
        for one in set(coming) - late:
            one.result()  # what went wrong in the client itself
        for arrived, visit in self.visits.values():
            self.outcomes.append(
                Outcome(
                    "", arrived, time.monotonic(), None, family.UNSERVED, 0, "", visit.samples, visit.waits
                )
            )

    async def _one(self, number: int, errand: Errand, after: float) -> None:
        await asyncio.sleep(max(0.0, self.began + after - time.monotonic()))
        visit = Visit(
            self.server,
            network_of(self.first + number),
            Random(number),
            thinking=self.thinking,
            with_files=self.with_files,
        )
        self.visits[number] = (time.monotonic(), visit)
        self.outcomes.append(await family.live(errand, visit, time.monotonic))
        del self.visits[number]

    async def _say(self) -> None:
        while True:
            await asyncio.sleep(SAYS_EVERY)
            here = [visit for _, visit in self.visits.values()]
            waiting = sum(any(wait.entered is None for wait in visit.waits) for visit in here)
            counted = Counter(one.result for one in self.outcomes)
            told = ", ".join(f"{number} {name}" for name, number in sorted(counted.items()))
            print(
                f"  {time.monotonic() - self.began:4.0f} s: {len(here) - waiting} inside, {waiting} in line"
                f"{', ' + told if told else ''}",
                file=sys.stderr,
                flush=True,
            )


def main(plan: str, found: str) -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    crowd = Crowd(json.loads(Path(plan).read_text()))
    gc.freeze()
    asyncio.run(crowd.come())
    used = resource.getrusage(resource.RUSAGE_SELF)
    Path(found).write_text(
        json.dumps(
            {
                "began": crowd.began,
                "processor": used.ru_utime + used.ru_stime,
                "memory": used.ru_maxrss / 1000,
                "outcomes": [one.plain() for one in crowd.outcomes],
            }
        )
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
