"""A rush from beginning to end: the town, the server, the crowd, what it cost, if the books are right."""

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from portal.waiting.gate import NOT_KEPT_NOW
from tests import ROOT, processes
from tests.bench.rush import figures, meters, server
from tests.bench.rush import town as towns

# How long after the last arrival a family may still be there before it counts as unserved.
PATIENCE_SECONDS = 600.0
MEMORY_EVERY_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Town:
    """`address` of its database, which each rush copies; its folder, and the families that come."""

    address: str
    folder: Path
    keys: dict[str, str]
    errands: list[dict[str, Any]]


def _keys() -> dict[str, str]:
    """The same each time, so that a town that was kept can be read: its people are invented."""
    names = ("SECRET_KEY", "FIELD_KEYS")
    return {name: hashlib.sha256(f"rush {name}".encode()).hexdigest() for name in names}


@contextmanager
def town(families: int, folder: Path, *, kept: bool = False, migrated: str = "") -> Iterator[Town]:
    """A town of which so many families come, and a few more; dropped afterwards unless it is `kept`.

    `migrated`: the address of a database to begin with, instead of an empty one.
    """
    beside = os.environ.get("DATABASE_URL", "")
    called = f"rush_town_{families}"
    keys = _keys()
    if kept and beside.startswith("postgres"):
        address, is_new = _kept_database(beside, called)
        yield _filled(address, folder, keys, families, is_new=is_new)
        return
    with processes.own_database(folder, server=beside, copied_from=migrated, called=called) as address:
        yield _filled(address, folder, keys, families, is_new=True, is_migrated=bool(migrated))


def _kept_database(beside: str, called: str) -> tuple[str, bool]:
    """Its address, and whether it has just been made."""
    here = urlsplit(beside)
    name = f"{here.path[1:]}_{called}"
    with psycopg.connect(here._replace(path="/postgres").geturl(), autocommit=True) as there:
        known = there.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone()
        if not known:
            there.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    return here._replace(path=f"/{name}").geturl(), not known


def _filled(
    address: str,
    folder: Path,
    keys: dict[str, str],
    families: int,
    *,
    is_new: bool,
    is_migrated: bool = False,
) -> Town:
    env = server.environment(address, folder, keys) | {"PORTAL_DEMO": "1"}
    if not is_migrated:
        say("migrate")
        _run(["manage.py", "migrate", "-v0"], env)
    say("static files")
    _run(["manage.py", "createcachetable"], env)
    _run(["manage.py", "collectstatic", "--no-input", "-v0"], env)
    if is_new:
        households = towns.households_for(families)
        say(f"load_demo of {households} households")
        _run(["manage.py", "load_demo", "--households", str(households), "-v0"], env)
    errands = json.loads(_run(["-m", "tests.bench.rush.town", "plan", str(families)], env))
    if address.startswith("postgres"):
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute("VACUUM ANALYZE")
    return Town(address, folder, keys, errands)


@dataclass(frozen=True, slots=True)
class Served:
    """Where families ask; the processes behind it: those that started the portal's, the proxy's and Redis's
    by name; the database's address, an environment of the portal's, and what each server says."""

    port: int
    web: list[int]
    beside: dict[str, int]
    address: str
    env: dict[str, str]
    logs: list[Path]

    @property
    def open_doors(self) -> int:
        """How often a process gave the line up and let everybody in."""
        return sum(log.read_text(errors="replace").count(NOT_KEPT_NOW) for log in self.logs)


@contextmanager
def _served(town: Town, *, workers: int, threads: int, servers: int, redis: str) -> Iterator[Served]:
    """One server, or several behind nginx, on a copy of the town."""
    if servers > 1 and redis in ("", "0"):
        raise RuntimeError("Several servers share their line and their counters in Redis: REDIS=1.")
    with ExitStack() as started:
        database = os.environ.get("DATABASE_URL", "")
        address = started.enter_context(
            processes.own_database(
                Path(tempfile.mkdtemp(prefix="copy-", dir=town.folder)),
                server=database,
                copied_from=town.address,
                called="rush",
            )
        )
        cache, redis_pid = started.enter_context(server.redis(redis, town.folder))
        beside = {"redis": redis_pid} if redis_pid else {}
        web, ports, logs = [], [], []
        for _ in range(servers):
            env = server.environment(address, _own_folder(town.folder), town.keys, cache)
            pid, port = started.enter_context(server.gunicorn(env, workers=workers, threads=threads))
            web.append(pid)
            logs.append(Path(env["PORTAL_VAR"]) / server.LOG)
            ports.append(port)
        port = ports[0]
        if servers > 1:
            folder = Path(tempfile.mkdtemp(prefix="nginx-", dir=town.folder))
            beside["nginx"], port = started.enter_context(server.nginx(ports, folder))
        yield Served(port, web, beside, address, env, logs)


def rush(
    town: Town,
    *,
    seconds: float,
    workers: int,
    threads: int = 4,
    servers: int = 1,
    thinking: float = 1.0,
    redis: str = "",
    with_files: bool = False,
    patience: float = PATIENCE_SECONDS,
) -> dict[str, Any]:
    """All its families within so many seconds, on a copy of the town; the figures."""
    with _served(town, workers=workers, threads=threads, servers=servers, redis=redis) as there:
        plan = {
            "server": ["127.0.0.1", there.port],
            "thinking": thinking,
            "patience": patience,
            "with_files": with_files,
            "seed": 2026,
        }
        spare, coming = town.errands[-towns.SPARE :], town.errands[: -towns.SPARE]
        say(f"warming up {servers} × {workers} × {threads}")
        # Every process has served each page before the doors open, as on any other day.
        warm = plan | {"errands": spare, "seconds": 0.5, "first": len(coming), "thinking": 0.05}
        _crowd(town.folder, warm, there.env)
        say(f"{len(coming)} families in {seconds:.0f} s")
        since = datetime.now(UTC).isoformat()
        found, cost = _measured(town, plan | {"errands": coming, "seconds": seconds, "first": 0}, there)
        open_doors = there.open_doors
        say("audit")
        demo = there.env | {"PORTAL_DEMO": "1"}
        audit = json.loads(_run(["-m", "tests.bench.rush.town", "audit", since], demo))
    read = figures.of_crowd(found)
    served = max(1, sum(read["results"].get(name, 0) for name in ("recorded", "partly", "full")))
    return (
        {
            "seconds": seconds,
            "thinking": thinking,
            "servers": servers,
            "workers": workers,
            "threads": threads,
            "redis": bool(redis and redis != "0"),
            "with_files": with_files,
            "open_doors": open_doors,
            "database": "PostgreSQL" if there.address.startswith("postgres") else "SQLite",
            "cores": len(os.sched_getaffinity(0)),
            "served_a_second": round(served / max(0.1, read["all_served_after"]), 3),
        }
        | read
        | {"cost": _per_family(cost, served, found["processor"]), "audit": audit}
    )


def _own_folder(folder: Path) -> Path:
    """A PORTAL_VAR of one server, with the files of the town and nothing of the server before."""
    own = Path(tempfile.mkdtemp(prefix="server-", dir=folder))
    for name in ("static", "media", "private"):
        (folder / name).mkdir(exist_ok=True)
        (own / name).symlink_to(folder / name)
    return own


def _measured(town: Town, plan: dict[str, Any], there: Served) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the crowd wrote, and what it cost the server meanwhile: seconds of processor, MB."""
    memory: list[list[float]] = []

    def look() -> None:
        memory.append(meters.proportional_memory([one for pid in there.web for one in meters.tree(pid)]))

    def used() -> dict[str, float]:
        busy, every = meters.machine()
        beside = {name: meters.processor_of_tree(pid) for name, pid in there.beside.items()}
        return beside | {
            "web": sum(meters.processor_of_tree(pid) for pid in there.web),
            "machine_used": busy,
            "machine_all": every,
        }

    before, began = used(), time.monotonic()
    with meters.watched(there.address) as backends:
        found = _crowd(town.folder, plan, there.env, meanwhile=look)
    look()
    spent = {name: after - before[name] for name, after in used().items()}
    is_here = backends is not None and backends.is_here
    return found, spent | {
        "beside": {name: spent[name] for name in there.beside},
        "postgres": backends.seconds if backends and is_here else None,
        "postgres_shared": backends.shared if backends and is_here else None,
        "statistics": backends.statistics if backends else {},
        "connections": backends.connections if backends else 0,
        "memory": max(memory, key=sum),
        "lasted": time.monotonic() - began,
    }


def _per_family(cost: dict[str, Any], served: int, client: float) -> dict[str, Any]:
    """The same for each family served, in milliseconds of processor; memory in MB."""

    def each(seconds: float | None) -> float | None:
        return None if seconds is None else round(seconds * 1000 / served, 1)

    statistics = cost["statistics"]
    ours = cost["web"] + client + (cost["postgres"] or 0.0) + sum(cost["beside"].values())
    return {
        "web_ms": each(cost["web"]),
        "postgres_ms": each(cost["postgres"]),
        "postgres_shared_ms": each(cost["postgres_shared"]),
        "client_ms": each(client),
        "beside_ms": {name: each(seconds) for name, seconds in cost["beside"].items()},
        "statement_ms": round(statistics["statement_ms"] / served, 1) if statistics else None,
        "transactions": round(statistics["transactions"] / served, 1) if statistics else None,
        "rows_written": round(statistics["rows_written"] / served, 1) if statistics else None,
        "deadlocks": statistics.get("deadlocks"),
        "connections": cost["connections"],
        "memory_total": round(sum(cost["memory"]), 1),
        "memory_heaviest": round(max(cost["memory"], default=0.0), 1),
        "processes": len(cost["memory"]),
        "machine_busy": round(cost["machine_used"] / max(0.01, cost["machine_all"]), 3),
        "machine_ours": round(ours / max(0.01, cost["machine_all"]), 3),
        "lasted": round(cost["lasted"], 1),
    }


def _crowd(folder: Path, plan: dict[str, Any], env: dict[str, str], meanwhile: Any = None) -> dict[str, Any]:
    """Lets them come, in a process of its own; `meanwhile()` is called every ten seconds."""
    asked, found = folder / "plan.json", folder / "found.json"
    found.unlink(missing_ok=True)
    asked.write_text(json.dumps(plan))
    command = [sys.executable, "-m", "tests.bench.rush.crowd", str(asked), str(found)]
    limit = time.monotonic() + plan["seconds"] + plan["patience"] + 120
    process = subprocess.Popen(command, cwd=ROOT, env=env)
    try:
        while True:
            try:
                code = process.wait(MEMORY_EVERY_SECONDS)
                break
            except subprocess.TimeoutExpired:
                if time.monotonic() > limit:
                    raise RuntimeError("The crowd does not come to an end.") from None
                if meanwhile is not None:
                    meanwhile()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    if code:
        raise RuntimeError(f"The client ended with {code}.")
    answer: dict[str, Any] = json.loads(found.read_text())
    return answer


def _run(command: list[str], env: dict[str, str]) -> str:
    done = subprocess.run(
        [sys.executable, *command], cwd=ROOT, env=env, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}:\n{done.stderr[-3000:]}")
    return done.stdout


def say(what: str) -> None:
    """How far it is, on stderr."""
    print(f"{time.strftime('%H:%M:%S')} {what}", file=sys.stderr, flush=True)
