"""Writing what a version stores: the same town on both databases, in files that `releases.py` restores."""

import json
import lzma
import re
import sqlite3
import sys
import tarfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import time_machine
from django.core.management import call_command
from django.db import connection

from portal.database import schema, versions
from tests.processes import own_database
from tests.upgrade import books, releases, town
from tests.upgrade.portals import portal_at
from tests.upgrade.releases import Release

HEAVIEST = 400_000  # bytes a version, all files together
CHANGES_TABLES = re.compile(r"\s*(CREATE|ALTER|DROP|COMMENT|SET CONSTRAINTS)\b")


def make(scratch: Path, server: str) -> int:
    """Writes this version's files anew; says what they weigh. Not 0 when that is too much, or when the two
    databases do not say the same."""
    release = Release(versions.version())
    said = []
    with tarfile.open(release.files, "w:xz", preset=9) as files:
        for kind in releases.KINDS:
            folder = scratch / kind
            folder.mkdir()
            with own_database(
                folder, server=server if kind == "postgresql" else "", called="release"
            ) as address:
                with portal_at(address, folder), time_machine.travel(town.AT, tick=False):
                    made = _recorded(lambda: call_command("migrate", verbosity=0))
                    town.live()
                    books.audit_numbers()
                    books.audit_money()
                    said.append({"at": town.AT.isoformat(), **books.summary()})
                    if kind == "postgresql":
                        _keep_postgresql(release, made)
                if kind == "sqlite":
                    _keep_sqlite(release, Path(address.removeprefix("sqlite:///")))
            for under in ("media", "private"):
                files.add(folder / under, arcname=f"{kind}/{under}", filter=_anonymous)
    text = json.dumps(said[0], ensure_ascii=False, indent=0, sort_keys=True)
    release.books.write_text(f"{text}\n", encoding="utf-8")
    sys.stdout.write(f"{release.version}: {release.weight} bytes of {HEAVIEST} at most\n")
    for path in (release.sqlite, release.postgresql, release.files, release.books):
        sys.stdout.write(f"  {path.stat().st_size:>7} {path.name}\n")
    if said[0] != said[1]:
        sys.stdout.write("SQLite and PostgreSQL do not say the same of this town.\n")
    return int(said[0] != said[1] or release.weight > HEAVIEST)


def _recorded(act: Callable[[], object]) -> list[str]:
    """The statements on tables that `act` gives to the database, in their order."""
    statements: list[str] = []

    def record(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        if CHANGES_TABLES.match(sql):
            assert not params, sql
            statements.append(sql)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(record):
        act()
    return statements


def _keep_postgresql(release: Release, made: list[str]) -> None:
    vendor = connection.vendor
    pieces = [piece for part in schema.parts() for piece in part.pieces.get(vendor, ())]
    protections = [statement for piece in pieces for statement in piece.making(vendor)]
    tables = [statement for statement in made if statement not in protections]
    script = releases.dump(connection, tables, protections)
    release.postgresql.write_bytes(_packed(script.encode()))


def _keep_sqlite(release: Release, database: Path) -> None:
    """As its statements: the indexes, which they make anew, would weigh more than the rows."""
    with closing(sqlite3.connect(database)) as source:
        script = "\n".join(source.iterdump())
    release.sqlite.write_bytes(_packed(script.encode()))


def _packed(content: bytes) -> bytes:
    return lzma.compress(content, preset=9 | lzma.PRESET_EXTREME)


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Nothing of the machine on which it was made."""
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mtime = int(town.AT.timestamp())
    return member
