"""What tests share that start processes of their own on an empty database."""

import fcntl
import json
import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from django.conf import settings


@contextmanager
def empty_database(folder: Path, server: str | None = None) -> Iterator[str]:
    """The address of a database that is gone afterwards: beside the one at `server`, an SQLite file when that
    is empty. Without `server`, of the same kind as the suite's."""
    server = os.environ.get("DATABASE_URL", "") if server is None else server
    if not server.startswith("postgres"):
        yield f"sqlite:///{folder / 'empty.sqlite3'}"
        return
    here = urlsplit(server)
    name = f"race_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(here._replace(path="/postgres").geturl(), autocommit=True) as server:
        server.execute(f'CREATE DATABASE "{name}"')
        try:
            yield here._replace(path=f"/{name}").geturl()
        finally:
            server.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def result_of(module: str, *arguments: str, folder: Path) -> Any:
    """Runs `python -m module` on an empty database, since it forks many; what it wrote as JSON."""
    with empty_database(folder) as address:
        environment = os.environ | {
            "DATABASE_URL": address,
            "DJANGO_SETTINGS_MODULE": "portal.settings",
            "PORTAL_DEMO": "1",
            "PORTAL_VAR": str(folder),
        }
        done = subprocess.run(
            [sys.executable, "-m", module, *arguments],
            cwd=settings.BASE_DIR,
            env=environment,
            capture_output=True,
            text=True,
            timeout=400,
            check=False,
        )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


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
