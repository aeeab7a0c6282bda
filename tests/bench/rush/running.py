"""A rush from beginning to end: the town, the server, the crowd, what it cost, if the books are right."""

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

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


def rush(
    town: Town,
    *,
    seconds: float,
    workers: int,
    threads: int = 4,
    thinking: float = 1.0,
    redis: str = "",
    with_files: bool = False,
    patience: float = PATIENCE_SECONDS,
) -> dict[str, Any]:
    """All its families within so many seconds, on a copy of the town; the figures."""
    beside = os.environ.get("DATABASE_URL", "")
    with (
        processes.own_database(
            town.folder, server=beside, copied_from=town.address, called="rush"
        ) as address,
        server.redis(redis, town.folder) as cache,
    ):
        env = server.environment(address, _own_folder(town.folder), town.keys, cache)
        with server.gunicorn(env, workers=workers, threads=threads) as (pid, port):
            plan = {
                "server": ["127.0.0.1", port],
                "thinking": thinking,
                "patience": patience,
                "with_files": with_files,
                "seed": 2026,
            }
            spare, coming = town.errands[-towns.SPARE :], town.errands[: -towns.SPARE]
            say(f"warming up {workers} × {threads}")
            # Every process has served each page before the doors open, as on any other day.
            warm = plan | {"errands": spare, "seconds": 0.5, "first": len(coming), "thinking": 0.05}
            _crowd(town.folder, warm, env)
            say(f"{len(coming)} families in {seconds:.0f} s")
            since = datetime.now(UTC).isoformat()
            found, cost = _measured(
                town, plan | {"errands": coming, "seconds": seconds, "first": 0}, env, pid
            )
        say("audit")
        demo = env | {"PORTAL_DEMO": "1"}
        audit = json.loads(_run(["-m", "tests.bench.rush.town", "audit", since], demo))
    read = figures.of_crowd(found)
    served = max(1, sum(read["results"].get(name, 0) for name in ("recorded", "partly", "full")))
    return (
        {
            "seconds": seconds,
            "thinking": thinking,
            "workers": workers,
            "threads": threads,
            "redis": bool(redis and redis != "0"),
            "with_files": with_files,
            "database": "PostgreSQL" if address.startswith("postgres") else "SQLite",
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


def _measured(
    town: Town, plan: dict[str, Any], env: dict[str, str], pid: int
) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the crowd wrote, and what it cost the server meanwhile: seconds of processor, MB."""
    memory: list[list[float]] = []

    def look() -> None:
        memory.append(meters.proportional_memory(meters.tree(pid)))

    web, machine, began = meters.processor_of_tree(pid), meters.machine(), time.monotonic()
    with meters.watched(env["DATABASE_URL"]) as backends:
        found = _crowd(town.folder, plan, env, meanwhile=look)
    look()
    used = [after - before for before, after in zip(machine, meters.machine(), strict=True)]
    web = meters.processor_of_tree(pid) - web
    is_here = backends is not None and backends.is_here
    return found, {
        "web": web,
        "postgres": backends.seconds if backends and is_here else None,
        "postgres_shared": backends.shared if backends and is_here else None,
        "statistics": backends.statistics if backends else {},
        "connections": backends.connections if backends else 0,
        "memory": max(memory, key=sum),
        "machine_used": used[0],
        "machine_all": used[1],
        "lasted": time.monotonic() - began,
    }


def _per_family(cost: dict[str, Any], served: int, client: float) -> dict[str, Any]:
    """The same for each family served, in milliseconds of processor; memory in MB."""

    def each(seconds: float | None) -> float | None:
        return None if seconds is None else round(seconds * 1000 / served, 1)

    statistics = cost["statistics"]
    ours = cost["web"] + client + (cost["postgres"] or 0.0) + (cost["postgres_shared"] or 0.0)
    return {
        "web_ms": each(cost["web"]),
        "postgres_ms": each(cost["postgres"]),
        "postgres_shared_ms": each(cost["postgres_shared"]),
        "client_ms": each(client),
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
