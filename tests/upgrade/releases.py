"""Released versions' towns, as each version stored them: `tests/data/releases/VERSION.*`.

    VERSION.sqlite3.xz   the file of SQLite
    VERSION.sql.xz       the PostgreSQL database in plain SQL, which `psql` reads as well as `restore` does
    VERSION.files.tar.xz what lay in `private/` and `media/` beside each
    VERSION.json         on which day, and what the books said (`books.summary`)

`make release-data` writes them (`__main__.py`). They never change afterwards.
"""

import io
import json
import lzma
import sqlite3
import tarfile
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
from django.conf import settings
from django.db.backends.base.base import BaseDatabaseWrapper

DATA = Path(settings.BASE_DIR) / "tests" / "data" / "releases"
KINDS = ("sqlite", "postgresql")
END_OF_ROWS = "\\.\n"


class Release(NamedTuple):
    """A version whose data is kept under `data`."""

    version: str
    data: Path = DATA

    @property
    def sqlite(self) -> Path:
        return self.data / f"{self.version}.sqlite3.xz"

    @property
    def postgresql(self) -> Path:
        return self.data / f"{self.version}.sql.xz"

    @property
    def files(self) -> Path:
        return self.data / f"{self.version}.files.tar.xz"

    @property
    def books(self) -> Path:
        return self.data / f"{self.version}.json"

    @property
    def weight(self) -> int:
        """Bytes of all its files."""
        return sum(path.stat().st_size for path in (self.sqlite, self.postgresql, self.files, self.books))

    def said(self) -> dict[str, Any]:
        """What its books said."""
        found: dict[str, Any] = json.loads(self.books.read_text(encoding="utf-8"))
        return found

    @property
    def at(self) -> datetime:
        """The moment at which its town stands still."""
        return datetime.fromisoformat(self.said()["at"])

    def restore(self, address: str, folder: Path) -> None:
        """Fills the empty database at `address`, and `folder` with `private/` and `media/`."""
        kind = "postgresql" if address.startswith("postgres") else "sqlite"
        if kind == "sqlite":
            _restore_sqlite(
                Path(address.removeprefix("sqlite:///")), lzma.decompress(self.sqlite.read_bytes())
            )
        else:
            run(address, lzma.decompress(self.postgresql.read_bytes()).decode() + NUMBERS_GO_ON)
        with tarfile.open(self.files) as archive:
            for member in archive.getmembers():
                of, _, name = member.name.partition("/")
                if of == kind and (packed := archive.extractfile(member)) is not None:
                    (folder / name).parent.mkdir(parents=True, exist_ok=True)
                    (folder / name).write_bytes(packed.read())


# Up to 0.11.0 the columns that are not called « id » were left where an empty table begins.
NUMBERS_GO_ON = """
DO $$
DECLARE one record;
BEGIN
    FOR one IN SELECT table_name, column_name FROM information_schema.columns
        WHERE table_schema = current_schema() AND is_identity = 'YES'
    LOOP
        EXECUTE format(
            'SELECT setval(pg_get_serial_sequence(%L, %L), max(%I)) FROM %I',
            quote_ident(one.table_name), one.column_name, one.column_name, one.table_name
        );
    END LOOP;
END $$;
"""


def _restore_sqlite(database: Path, kept: bytes) -> None:
    """From the file itself, as it was kept up to 0.3.0, or from its statements."""
    if kept.startswith(b"SQLite format 3"):
        database.write_bytes(kept)
        return
    with closing(sqlite3.connect(database)) as made:
        made.executescript(kept.decode())


def releases() -> list[Release]:
    """All of them, the oldest first."""
    found = (Release(path.name.removesuffix(".json")) for path in DATA.glob("*.json"))
    return sorted(found, key=lambda release: [int(part) for part in release.version.split(".")])


# PostgreSQL in plain SQL --------------------------------------------------------------------------------


def dump(connection: BaseDatabaseWrapper, tables: list[str], protections: list[str]) -> str:
    """The database in SQL: `tables` are the statements that made them, `protections` those to come after
    the rows."""
    with connection.cursor() as cursor:
        names = sorted(connection.introspection.table_names(cursor))
        rows = [chapter for name in names for chapter in _rows(cursor, name)]
        numbered = [
            (name, one["column"])
            for name in names
            for one in connection.introspection.get_sequences(cursor, name)
        ]
    number_on = "SELECT setval(pg_get_serial_sequence('\"{0}\"', '{1}'), max({1})) FROM \"{0}\""
    sequences = [number_on.format(*one) for one in numbered]
    return "".join(
        [
            "BEGIN;\n",
            *(f"{statement.rstrip().removesuffix(';')};\n" for statement in tables),
            # Some have been turned to « at once » by what made the tables.
            "SET CONSTRAINTS ALL DEFERRED;\n",
            *rows,
            # An index is made on a table of which nothing more is to be checked.
            "SET CONSTRAINTS ALL IMMEDIATE;\n",
            *(f"{statement};\n" for statement in (*sequences, *protections)),
            "COMMIT;\n",
        ]
    )


def _rows(cursor: Any, name: str) -> Iterator[str]:
    cursor.execute(
        "SELECT string_agg(quote_ident(column_name), ', ' ORDER BY ordinal_position)"
        " FROM information_schema.columns"
        " WHERE table_schema = current_schema() AND table_name = %s AND is_generated = 'NEVER'",
        [name],
    )
    (columns,) = cursor.fetchone()
    with cursor.copy(f'COPY (SELECT {columns} FROM "{name}" ORDER BY 1) TO STDOUT') as copy:
        text = b"".join(copy).decode()
    if text:
        yield f'COPY "{name}" ({columns}) FROM stdin;\n{text}{END_OF_ROWS}'


def run(address: str, script: str) -> None:
    """Runs a script of SQL with its rows (`COPY … FROM stdin`); it holds its own transaction."""
    with psycopg.connect(address, autocommit=True) as connection, connection.cursor() as cursor:
        for statements, rows in _chapters(script):
            if rows is None:
                cursor.execute(statements.encode())
            else:
                with cursor.copy(statements.encode()) as copy:
                    copy.write(rows)


def _chapters(script: str) -> Iterator[tuple[str, str | None]]:
    """Statements without rows, then one `COPY` with its rows, and so on."""
    statements: list[str] = []
    lines = io.StringIO(script)
    for line in lines:
        if line.startswith("COPY ") and line.endswith(" FROM stdin;\n"):
            if statements:
                yield "".join(statements), None
                statements = []
            yield line, "".join(iter(lines.readline, END_OF_ROWS))
        else:
            statements.append(line)
    if statements:
        yield "".join(statements), None
