"""What tests share that start processes of their own, on a database of their own."""

import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from django.conf import settings
from django.db import connection
from psycopg import sql

SQLITE = "sqlite:///"
# A race is run once by the gate, and eleven times more by `make test-long`.
TURNS = [1, *(pytest.param(turn, marks=pytest.mark.long) for turn in range(2, 13))]


@contextmanager
def own_database(
    folder: Path, *, copied_from: str = "", server: str | None = None, called: str = "own"
) -> Iterator[str]:
    """The address of a database that is gone afterwards: empty, or a copy of the one at the address
    `copied_from`. It stands beside the one at `server`, an SQLite file when that is empty; without `server`,
    it is of the same kind as the suite's.

    On PostgreSQL its name is that of the suite's and what it is `called`: the next run replaces what an
    interrupted one left.
    """
    server = os.environ.get("DATABASE_URL", "") if server is None else server
    if not server.startswith("postgres"):
        file = folder / "own.sqlite3"
        if copied_from:
            shutil.copy(copied_from.removeprefix(SQLITE), file)
        yield f"{SQLITE}{file}"
        return
    here = urlsplit(server)
    suite = connection.settings_dict["NAME"] if connection.vendor == "postgresql" else here.path[1:]
    name = f"{suite}_{called}"
    model = urlsplit(copied_from).path.removeprefix("/") or "template1"
    drop = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
    create = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(model))
    with psycopg.connect(here._replace(path="/postgres").geturl(), autocommit=True) as there:
        there.execute(drop)
        there.execute(create)
        try:
            yield here._replace(path=f"/{name}").geturl()
        finally:
            there.execute(drop)


def environment(address: str, folder: Path) -> dict[str, str]:
    """Where the portal's own processes find their database, and the folder they write to."""
    return os.environ | {
        "DATABASE_URL": address,
        "DJANGO_SETTINGS_MODULE": "portal.settings",
        "PORTAL_DEMO": "1",
        "PORTAL_VAR": str(folder),
        "PYTHONUNBUFFERED": "1",
    }


def run(*command: str, env: dict[str, str], timeout: int = 400) -> str:
    """What `python command…` says, which must end well."""
    done = subprocess.run(
        [sys.executable, *command],
        cwd=settings.BASE_DIR,
        env=env,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@contextmanager
def migrated_database(folders: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a database as `migrate` makes it, which may take a minute: the first of the suite's
    workers that asks makes it for all, and drops it when all have left."""
    here = folders.mktemp("installed")
    shared = folders.getbasetemp().parent if "PYTEST_XDIST_WORKER" in os.environ else here
    kept = shared / "installed.address"
    mine = False
    with ExitStack() as made, kept.with_suffix(".lock").open("w") as users:
        # Many use it at a time, one makes or drops it. Between two locks another may have come first.
        fcntl.flock(users, fcntl.LOCK_SH)
        while not kept.exists():
            fcntl.flock(users, fcntl.LOCK_EX)
            if not kept.exists():
                address = made.enter_context(own_database(here, called="installed"))
                run("manage.py", "migrate", "-v0", env=environment(address, here))
                kept.write_text(address)
                mine = True
            fcntl.flock(users, fcntl.LOCK_SH)
        try:
            yield kept.read_text()
        finally:
            if mine:
                fcntl.flock(users, fcntl.LOCK_EX)
                kept.unlink()


def result_of(module: str, *arguments: str, installed: str, folder: Path) -> Any:
    """Runs `python -m module`, which forks many, on a copy of the database `installed`; the JSON it wrote."""
    with own_database(folder, copied_from=installed, called="copy") as address:
        return json.loads(run("-m", module, *arguments, env=environment(address, folder)))


def once(name: str, folders: pytest.TempPathFactory, make: Callable[[], Any]) -> Any:
    """`make()`, called by the first of the suite's workers that asks; the others wait and read its answer.

    Two crowds of processes at once would need more connections than a server usually grants.
    """
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return make()
    kept = folders.getbasetemp().parent / f"{name}.json"
    with kept.with_suffix(".lock").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        if not kept.exists():
            kept.write_text(json.dumps(make()))
    return json.loads(kept.read_text())
