"""Writing many rows fast: COPY on PostgreSQL, one prepared statement elsewhere. For the demo only.

Keys are given by the writer (`Keys`), so that rows can point at each other before they are written.
"""

from collections.abc import Iterable, Sequence
from itertools import count
from typing import Any

from django.core.management.color import no_style
from django.db import connection, models

from portal.database.encrypted import Encrypted
from portal.database.plain_rows import adapted
from portal.database.rotating import encrypted_fields


class Keys:
    """The next free primary keys of a model."""

    def __init__(self, model: type[models.Model]) -> None:
        highest = model._default_manager.aggregate(top=models.Max("pk"))["top"] or 0
        self._count = count(highest + 1)

    def __call__(self) -> int:
        return next(self._count)


class Table:
    """Rows of one model on their way into the database, as tuples in the order of `columns`."""

    def __init__(self, model: type[models.Model], columns: Sequence[str]) -> None:
        self.model = model
        self.columns = list(columns)
        self.keys = Keys(model)
        self.rows: list[tuple[Any, ...]] = []
        self.written = 0

    def add(self, *values: Any) -> int:
        """Keeps one row for the next `write`; returns its key. Values stand without the key."""
        key = self.keys()
        self.rows.append((key, *values))
        return key

    def write(self) -> None:
        """Writes what was added since the last time."""
        column = {
            name: field.column
            for field in self.model._meta.fields
            for name in (field.name, field.attname)
            if field.column is not None
        }
        names = (self.model._meta.pk.name, *self.columns)
        write_rows(self.model, [column[name] for name in names], self.rows)
        self.written += len(self.rows)
        self.rows = []


def write_rows(model: type[models.Model], columns: Sequence[str], rows: Iterable[tuple[Any, ...]]) -> None:
    """Inserts tuples of plain values (dates and aware datetimes included), encrypted where the column is."""
    quote = connection.ops.quote_name
    secret = {field.column: field for field in encrypted_fields(model)}
    if not secret.keys().isdisjoint(columns):
        fields = [secret.get(column) for column in columns]
        rows = (tuple(map(_kept, fields, row)) for row in rows)
    table = quote(model._meta.db_table)
    names = ", ".join(quote(column) for column in columns)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            with cursor.copy(f"COPY {table} ({names}) FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
            return
        places = ", ".join(["%s"] * len(columns))
        cursor.executemany(
            f"INSERT INTO {table} ({names}) VALUES ({places})",  # noqa: S608 names of our own models
            [tuple(map(adapted, row)) for row in rows],
        )


def _kept(field: Encrypted | None, value: Any) -> Any:
    return field.get_db_prep_save(value, connection) if field else value


def reset_sequences(*written: type[models.Model]) -> None:
    """Lets the database number on from the keys given here."""
    statements = connection.ops.sequence_reset_sql(no_style(), list(written))
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
