"""What processes cost, as /proc says: the web server's tree, PostgreSQL's backends, the whole machine."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

EVERY_SECONDS = 1.0
TICK = os.sysconf("SC_CLK_TCK")
# Of PostgreSQL, shared by all the databases of a server.
SHARED = ("checkpointer", "walwriter", "background writer", "autovacuum launcher", "autovacuum worker")


def tree(root: int) -> list[int]:
    """The process and all that it started, those that are left."""
    found, waiting = [], [root]
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        try:
            tasks = list(Path(f"/proc/{pid}/task").iterdir())
            waiting += [int(one) for task in tasks for one in (task / "children").read_text().split()]
        except OSError:  # it has ended meanwhile
            continue
    return found


def processor(pid: int, *, with_ended: bool = False) -> float:
    """Seconds of processor that a process has used; `with_ended`: and its children that have ended. 0 where
    it has ended itself."""
    try:
        words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(int(one) for one in words[11 : 15 if with_ended else 13]) / TICK


def processor_of_tree(root: int) -> float:
    return sum(processor(pid, with_ended=True) for pid in tree(root))


def proportional_memory(pids: list[int]) -> list[float]:
    """MB of each process, pages that several share counted as their share."""
    found = []
    for pid in pids:
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        found += [int(line.split()[1]) / 1000 for line in lines if line.startswith("Pss:")]
    return found


def machine() -> tuple[float, float]:
    """Seconds of processor that were used since the machine's start by anybody, and all that there were."""
    words = [int(one) for one in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return (sum(words) - words[3] - words[4]) / TICK, sum(words) / TICK


@dataclass
class Backends:
    """PostgreSQL's processes for one database, watched from beside: each second the processor of each is
    read, so that those which end are counted, too. Empty for a server elsewhere, whose /proc is not here."""

    address: str
    last: dict[int, float] = field(default_factory=dict)
    first: dict[int, float] = field(default_factory=dict)
    shared_before: float = 0.0
    shared: float = 0.0
    connections: int = 0
    is_here: bool = True
    statistics: dict[str, float] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        return sum(last - self.first[pid] for pid, last in self.last.items())

    def start(self) -> None:
        self._before = self._counted()
        self._read(since_start=True)
        self.shared_before = self.shared
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()
        self._read()
        self.shared -= self.shared_before
        self.statistics = {name: value - self._before[name] for name, value in self._counted().items()}

    def _watch(self) -> None:
        with psycopg.connect(self.address, autocommit=True) as connection:
            while not self._stopped.wait(EVERY_SECONDS):
                self._read(connection=connection)

    def _read(
        self, *, since_start: bool = False, connection: "psycopg.Connection[tuple[object, ...]] | None" = None
    ) -> None:
        if connection is None:
            with psycopg.connect(self.address, autocommit=True) as own:
                return self._read(since_start=since_start, connection=own)
        rows = connection.execute(
            "SELECT pid, backend_type, datname = current_database() FROM pg_stat_activity"
            " WHERE pid <> pg_backend_pid()"
        ).fetchall()
        mine = [int(str(pid)) for pid, _, ours in rows if ours]
        self.connections = max(self.connections, len(mine))
        for pid in mine:
            used = processor(pid)
            self.is_here = (self.is_here and used > 0) or self._is_postgres(pid)
            # One that came after the start is counted from its own.
            self.first.setdefault(pid, used if since_start else 0.0)
            self.last[pid] = max(used, self.last.get(pid, 0.0))
        self.shared = sum(processor(int(str(pid))) for pid, kind, _ in rows if kind in SHARED)
        return None

    @staticmethod
    def _is_postgres(pid: int) -> bool:
        try:
            return "postgres" in Path(f"/proc/{pid}/comm").read_text()
        except OSError:
            return False

    def _counted(self) -> dict[str, float]:
        """Transactions, rows and milliseconds of statements, waits included, as PostgreSQL counts them."""
        with psycopg.connect(self.address, autocommit=True) as connection:
            row = connection.execute(
                "SELECT xact_commit + xact_rollback, tup_inserted + tup_updated + tup_deleted, active_time,"
                " deadlocks FROM pg_stat_database WHERE datname = current_database()"
            ).fetchone()
        names = ("transactions", "rows_written", "statement_ms", "deadlocks")
        return dict(zip(names, (float(str(one)) for one in row or (0, 0, 0, 0)), strict=True))


@contextmanager
def watched(address: str) -> Iterator[Backends | None]:
    """Those of the database at `address`; None where it is no PostgreSQL."""
    if not address.startswith("postgres"):
        yield None
        return
    backends = Backends(address)
    backends.start()
    try:
        yield backends
    finally:
        backends.stop()
