"""The database of one moment, as a stream, and back.

PostgreSQL: pg_dump and pg_restore, of the server's version or later, on a snapshot that this process exports.
SQLite: its backup API, then the file, compressed. Nobody waits meanwhile; nothing is written.
"""

import os
import sqlite3
import subprocess
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Protocol

from django.db import connection
from django.db.backends.postgresql.client import DatabaseClient

from portal.backups.ciphers import Writes
from portal.backups.refusals import Damaged, NotEmpty, Refused
from portal.database.snapshots import at_one_moment
from portal.files import modes

STEP = 256 * 1024
ABSENT = (
    "« {} » n'est pas installé sur cette machine : installez les outils de PostgreSQL de la version du "
    "serveur, ou d'une version plus récente (Debian : « apt install postgresql-client »)."
)


class Moment(Protocol):
    """The database as it was when it was opened."""

    def rows(self, query: str) -> list[tuple[Any, ...]]: ...

    def dump(self, to: Writes) -> None:
        """Writes all of it."""


@contextmanager
def moment(scratch: Path) -> Iterator[Moment]:
    """`scratch` is a folder of this machine where SQLite's copy may lie meanwhile."""
    if connection.vendor == "postgresql":
        with at_one_moment():
            yield _PostgresMoment()
        return
    with tempfile.TemporaryDirectory(dir=scratch, prefix="sauvegarde-") as folder:
        copy = Path(folder) / "copy.sqlite3"
        modes.make_private_file(copy)
        connection.ensure_connection()
        with closing(sqlite3.connect(copy)) as there:
            connection.connection.backup(there)
            _look_over(there)
            yield _SqliteMoment(there, copy)


def tables(of: Moment) -> dict[str, int]:
    """How many rows each table has."""
    names = connection.introspection.table_names() if connection.vendor == "postgresql" else _tables_of(of)
    quote = connection.ops.quote_name
    return {name: of.rows(f"SELECT count(*) FROM {quote(name)}")[0][0] for name in sorted(names)}  # noqa: S608


def _tables_of(of: Moment) -> list[str]:
    found = of.rows(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite!_%' ESCAPE '!'"
    )
    return [name for (name,) in found]


def _look_over(there: sqlite3.Connection) -> None:
    try:
        said = there.execute("PRAGMA integrity_check(1)").fetchone()[0]
    except sqlite3.DatabaseError as error:
        said = str(error)
    if said != "ok":
        raise Damaged(f"La base SQLite est abîmée ({said}).")


class _SqliteMoment:
    def __init__(self, there: sqlite3.Connection, path: Path) -> None:
        self._there, self._path = there, path

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        return self._there.execute(query).fetchall()

    def dump(self, to: Writes) -> None:
        pack = zlib.compressobj(wbits=31)  # as gzip writes it
        with self._path.open("rb") as file:
            while piece := file.read(STEP):
                to.write(pack.compress(piece))
        to.write(pack.flush())


class _PostgresMoment:
    def __init__(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_export_snapshot()")
            self._snapshot = cursor.fetchone()[0]

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with connection.cursor() as cursor:
            cursor.execute(query)
            found: list[tuple[Any, ...]] = cursor.fetchall()
        return found

    def dump(self, to: Writes) -> None:
        options = ["--format=custom", "--no-owner", "--no-privileges", f"--snapshot={self._snapshot}"]
        with _tool("pg_dump", options, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None  # noqa: S101 - asked for above
            while piece := process.stdout.read(STEP):
                to.write(piece)


@contextmanager
def _tool(name: str, options: Sequence[str], **streams: Any) -> Iterator[subprocess.Popen[bytes]]:
    """One of PostgreSQL's programs on the portal's database; Refused, with what it said, where it fails."""
    arguments, given = DatabaseClient.settings_to_cmd_args_env(connection.settings_dict, [])
    command = [name, *options, *arguments[1:-1], "--dbname", arguments[-1]]
    with _running(command, given or {}, **streams) as process:
        yield process


@contextmanager
def _running(
    command: Sequence[str], given: dict[str, str], **streams: Any
) -> Iterator[subprocess.Popen[bytes]]:
    with tempfile.TemporaryFile() as said:
        try:
            process = subprocess.Popen(command, stderr=said, env=os.environ | given, **streams)
        except FileNotFoundError as error:
            raise Refused(ABSENT.format(command[0])) from error
        failure: BaseException | None = None
        with process:
            try:
                yield process
                if process.stdin is not None:
                    process.stdin.close()
            except BrokenPipeError as error:  # it has ended before us, and says why
                failure = error
            except BaseException:
                process.kill()
                raise
        if process.returncode or failure:
            said.seek(0)
            last = said.read()[-500:].decode(errors="replace").strip() or f"code {process.returncode}"
            raise Refused(f"{command[0]} n'a pas pu finir : {last}") from failure


def refuse_full() -> None:
    """Raises NotEmpty where the portal's database has a table."""
    if connection.introspection.table_names():
        raise NotEmpty(
            f"La base « {connection.settings_dict['NAME']} » n'est pas vide : une restauration n'écrit "
            "jamais par-dessus des données. Donnez une base neuve dans DATABASE_URL, puis recommencez."
        )


class Loading(Protocol):
    """A database that is being brought back: pieces of its stream, then `finish`, or `give_up`."""

    def write(self, piece: bytes) -> None: ...


@contextmanager
def loading(*, trial: bool) -> Iterator[Loading]:
    """All of it is in the portal's database at the end, or nothing. In a `trial`, it is only read."""
    if connection.vendor == "sqlite":
        with _sqlite_loading(trial=trial) as there:
            yield there
        return
    connection.close()
    whole = ["--exit-on-error", "--single-transaction", "--no-owner", "--no-privileges", "--no-comments"]
    tool = (
        _running(["pg_restore", "--file=/dev/null"], {}, stdin=subprocess.PIPE)
        if trial
        else _tool("pg_restore", whole, stdin=subprocess.PIPE)
    )
    with tool as process:
        assert process.stdin is not None  # noqa: S101 - asked for above
        yield _Into(process.stdin)


class _Into:
    def __init__(self, to: Any) -> None:
        self._to = to

    def write(self, piece: bytes) -> None:
        self._to.write(piece)


class _Unpacking:
    def __init__(self, to: Any) -> None:
        self._to, self._pack = to, zlib.decompressobj(wbits=31)

    def write(self, piece: bytes) -> None:
        try:
            while piece:
                self._to.write(self._pack.decompress(piece, STEP))
                piece = self._pack.unconsumed_tail
        except zlib.error as error:
            raise Damaged("La base de cette sauvegarde est abîmée.") from error


@contextmanager
def _sqlite_loading(*, trial: bool) -> Iterator[Loading]:
    if trial:
        with Path(os.devnull).open("wb") as nowhere:
            yield _Unpacking(nowhere)
        return
    target = Path(connection.settings_dict["NAME"])
    beside = target.with_name(f".{target.name}.restauration")
    beside.unlink(missing_ok=True)
    modes.make_private_file(beside)
    try:
        with beside.open("wb") as file:
            yield _Unpacking(file)
        with closing(sqlite3.connect(beside)) as there:
            _look_over(there)
        connection.close()
        for more in modes.COMPANIONS[1:]:  # of an empty database that was looked at
            target.with_name(target.name + more).unlink(missing_ok=True)
        beside.replace(target)
    finally:
        for more in modes.COMPANIONS:
            beside.with_name(beside.name + more).unlink(missing_ok=True)
