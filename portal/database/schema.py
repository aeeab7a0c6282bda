"""What the schema needs beyond its models: triggers and their functions, indexes of one vendor, extensions.

An app registers its parts in `AppConfig.ready`. Each `migrate` ends with `complete`, that of the suite too:
what is missing, or no longer says what the code says, is put in place in one transaction. Where there is
nothing to do, nothing is written and nothing locked.

    register(part)               from then on the part belongs to the schema
    lacking(connection)          the pieces that are not in place
    complete(connection)         puts them in place
    lift(connection)             removes every trigger, for emptying a test's tables
    lifted(name, connection)     one part's triggers out of the way (a migration says `operations.Lifted`)
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

# What PostgreSQL has of each kind, with the comment that tells which definition it was made of.
POSTGRESQL_HAS = """
    SELECT 'trigger', tgname, obj_description(t.oid, 'pg_trigger')
    FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
    WHERE NOT tgisinternal AND tgenabled <> 'D' AND relnamespace = current_schema()::regnamespace
    UNION ALL
    SELECT 'function', proname, obj_description(oid, 'pg_proc')
    FROM pg_proc WHERE pronamespace = current_schema()::regnamespace
    UNION ALL
    SELECT 'index', relname, obj_description(oid, 'pg_class')
    FROM pg_class WHERE relkind = 'i' AND relnamespace = current_schema()::regnamespace
    UNION ALL
    SELECT 'extension', extname, NULL FROM pg_extension
"""
# A trusted extension asks for no more than to make things in the database, any other for the superuser.
POSTGRESQL_CAN_MAKE = """
    SELECT DISTINCT name FROM pg_available_extension_versions
    WHERE name = ANY(%s) AND (
        trusted AND has_database_privilege(current_database(), 'CREATE')
        OR (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)
    )
"""
# SQLite keeps the statement itself.
SQLITE_HAS = "SELECT type, name, sql FROM sqlite_master WHERE type IN ('trigger', 'index')"


class PieceKind(StrEnum):
    EXTENSION = "extension"
    FUNCTION = "function"  # of a trigger: without arguments
    INDEX = "index"
    TRIGGER = "trigger"


@dataclass(frozen=True)
class SchemaPiece:
    """An object of the database: `CREATE kind name body`.

    One that stands on a `table` waits for it and for the `columns` that it names there: a database may stop
    between two migrations, and a newer version's piece knows columns that come later.
    """

    kind: PieceKind
    name: str
    body: str = ""
    table: str = ""
    columns: frozenset[str] = frozenset()
    # The extension it cannot do without, a piece of the same part.
    needs: str = ""

    def making(self, vendor: str) -> list[str]:
        """The statements that put it in place, over an older one if need be."""
        if self.kind is PieceKind.EXTENSION:
            return [f"CREATE EXTENSION IF NOT EXISTS {self.name}"]
        if vendor == "sqlite":
            return [*self.removing(vendor), self._in_sqlite]
        comment = f"COMMENT ON {self.kind} {self._place} IS '{self.mark(vendor)}'"
        if self.kind is PieceKind.INDEX:
            return [*self.removing(vendor), f"CREATE INDEX {self.name} {self.body}", comment]
        name = f"{self.name}()" if self.kind is PieceKind.FUNCTION else self.name
        # Replaced in one step, a trigger keeps writers waiting but no reader.
        return [f"CREATE OR REPLACE {self.kind} {name} {self.body}", comment]

    def removing(self, vendor: str) -> list[str]:
        return [f"DROP {self.kind} IF EXISTS {self.name if vendor == 'sqlite' else self._place}"]

    def mark(self, vendor: str) -> str | None:
        """What tells this definition from another one under the same name; an extension has no other."""
        if self.kind is PieceKind.EXTENSION:
            return None
        return self._in_sqlite if vendor == "sqlite" else hashlib.sha256(self.body.encode()).hexdigest()

    @property
    def _in_sqlite(self) -> str:
        """Its statement, as SQLite keeps it."""
        return f"CREATE {self.kind.upper()} {self.name} {self.body}"

    @property
    def _place(self) -> str:
        """As PostgreSQL names it in DROP and COMMENT."""
        if self.kind is PieceKind.TRIGGER:
            return f"{self.name} ON {self.table}"
        return f"{self.name}()" if self.kind is PieceKind.FUNCTION else self.name


@dataclass(frozen=True)
class SchemaPart:
    """Pieces that belong together, by vendor, each after those it needs.

    A part that only makes things faster is put in place `where_possible`: an extension that the server does
    not have, or that the portal's role may not make, is left out with all that needs it, and nothing lacks.
    """

    name: str
    pieces: Mapping[str, Sequence[SchemaPiece]]
    where_possible: bool = False

    def missing(self, connection: BaseDatabaseWrapper) -> list[SchemaPiece]:
        """The pieces that are not there, or not as they are written here, and whose table and columns are."""
        wanted = self.pieces.get(connection.vendor, ())
        if not wanted:
            return []
        with connection.cursor() as cursor:
            cursor.execute(SQLITE_HAS if connection.vendor == "sqlite" else POSTGRESQL_HAS)
            there = {(kind, name): mark for kind, name, mark in cursor.fetchall()}
            lacking = [
                piece
                for piece in wanted
                if there.get((piece.kind, piece.name), False) != piece.mark(connection.vendor)
            ]
            if self.where_possible and (absent := {one.name for one in lacking} & _extensions(wanted)):
                out = absent - _can_be_made(cursor, absent)
                lacking = [one for one in lacking if one.name not in out and one.needs not in out]
            # Only where something lacks: a whole schema is looked at in one query.
            columns = _columns(connection, cursor, {piece.table for piece in lacking if piece.table})
        return [
            piece
            for piece in lacking
            if not piece.table or (piece.table in columns and piece.columns <= columns[piece.table])
        ]

    def install(self, connection: BaseDatabaseWrapper) -> None:
        """Puts in place what is missing; all of it or nothing."""
        if missing := self.missing(connection):
            with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
                for piece in missing:
                    for statement in piece.making(connection.vendor):
                        cursor.execute(statement)

    def lift(self, connection: BaseDatabaseWrapper) -> None:
        """Removes its triggers; indexes and functions are in nobody's way."""
        with connection.cursor() as cursor:
            for piece in self.pieces.get(connection.vendor, ()):
                if piece.kind is PieceKind.TRIGGER:
                    for statement in piece.removing(connection.vendor):
                        cursor.execute(statement)


def _extensions(pieces: Sequence[SchemaPiece]) -> set[str]:
    return {piece.name for piece in pieces if piece.kind is PieceKind.EXTENSION}


def _can_be_made(cursor: Any, extensions: set[str]) -> set[str]:
    """Those of these extensions that the server has, and that the role behind this connection may make."""
    cursor.execute(POSTGRESQL_CAN_MAKE, [list(extensions)])
    return {name for (name,) in cursor.fetchall()}


def _columns(connection: BaseDatabaseWrapper, cursor: Any, tables: set[str]) -> dict[str, set[str]]:
    """The columns of those of these tables that are there."""
    introspection = connection.introspection
    there = tables.intersection(introspection.table_names(cursor)) if tables else ()
    return {
        table: {column.name for column in introspection.get_table_description(cursor, table)}
        for table in there
    }


_parts: dict[str, SchemaPart] = {}


def register(part: SchemaPart) -> None:
    """Adds a part to the schema; the same name again replaces it."""
    _parts[part.name] = part


def parts() -> list[SchemaPart]:
    """Every part, in the order in which they are put in place."""
    return list(_parts.values())


def lacking(connection: BaseDatabaseWrapper) -> list[SchemaPiece]:
    """What a database lacks of all parts."""
    return [piece for part in parts() for piece in part.missing(connection)]


def complete(connection: BaseDatabaseWrapper) -> None:
    """Puts in place what the database lacks, all of it or nothing."""
    if lacking(connection):
        with transaction.atomic(using=connection.alias):
            for part in parts():
                part.install(connection)


def lift(connection: BaseDatabaseWrapper) -> None:
    """Removes the triggers of every part, until `complete`."""
    for part in parts():
        part.lift(connection)


@contextmanager
def lifted(name: str, connection: BaseDatabaseWrapper) -> Iterator[None]:
    """Without the triggers of the part `name`, in one transaction: whatever stops it brings them back.

    A part that was not whole before is left as it was found.
    """
    part = _parts[name]
    with transaction.atomic(using=connection.alias):
        whole = not part.missing(connection)
        part.lift(connection)
        yield
        if whole:
            if connection.vendor == "postgresql":
                # Triggers come back to a table that nothing more is to be checked of.
                with connection.cursor() as cursor:
                    cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            part.install(connection)


# Receivers ----------------------------------------------------------------------------------------------


def complete_after_migrate(using: str, **kwargs: Any) -> None:
    """Of `post_migrate`."""
    complete(connections[using])


def lift_before_tables_change(using: str, plan: Sequence[Any], **kwargs: Any) -> None:
    """Of `pre_migrate`: SQLite makes a table anew when a column changes, which it refuses as long as another
    table's trigger reads it."""
    connection = connections[using]
    if plan and connection.vendor == "sqlite":
        lift(connection)
