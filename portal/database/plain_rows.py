"""Inserting many plain rows at once, where a model instance for each would cost more than the insert."""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

from django.db import connection, models


def insert(model: type[models.Model], columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
    """Writes `rows`, tuples of values in the order of `columns` (« booking_id », « day »), in one query.

    Every column without a default of the database is to be given; values are those the column holds. Raises
    IntegrityError as `bulk_create` does. Must stand in a transaction with what the rows point at.
    """
    if rows:
        with connection.cursor() as cursor:
            _insert(cursor, model, columns, rows)


def insert_numbered(
    model: type[models.Model], columns: Sequence[str], rows: Sequence[tuple[Any, ...]]
) -> Sequence[int]:
    """The same for a model whose `id` the database gives: those given, in the order of `rows`."""
    if not rows:
        return []
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            _insert(cursor, model, columns, rows, "RETURNING id")
            return [given for (given,) in cursor.fetchall()]
        _insert(cursor, model, columns, rows)
        # SQLite has one writer at a time: the keys of one statement follow one another.
        cursor.execute("SELECT last_insert_rowid()")
        (last,) = cursor.fetchone()
        return range(last - len(rows) + 1, last + 1)


def _insert(
    cursor: Any,
    model: type[models.Model],
    columns: Sequence[str],
    rows: Sequence[tuple[Any, ...]],
    returning: str = "",
) -> None:
    table = connection.ops.quote_name(model._meta.db_table)
    names = ", ".join(map(connection.ops.quote_name, columns))
    if connection.vendor == "postgresql":
        arrays = ", ".join(f"%s::{_type(model, column)}[]" for column in columns)
        statement = f"INSERT INTO {table} ({names}) SELECT * FROM UNNEST({arrays}) {returning}"  # noqa: S608 our names
        cursor.execute(statement, [list(values) for values in zip(*rows, strict=True)])
        return
    places = ", ".join(["%s"] * len(columns))
    statement = f"INSERT INTO {table} ({names}) VALUES ({places})"  # noqa: S608 our names
    cursor.executemany(statement, [tuple(map(adapted, row)) for row in rows])


def adapted(value: Any) -> Any:
    """A value as a database without dates and decimals of its own stores it."""
    if isinstance(value, date):
        return _adapted_day(value)
    return str(value) if isinstance(value, Decimal) else value


@lru_cache(maxsize=1024)
def _adapted_day(value: date) -> Any:
    if isinstance(value, datetime):
        return connection.ops.adapt_datetimefield_value(value)
    return connection.ops.adapt_datefield_value(value)


@lru_cache
def _type(model: type[models.Model], column: str) -> str:
    """As PostgreSQL names it in a cast, without the length, so that nothing is cut in silence."""
    (field,) = (field for field in model._meta.concrete_fields if field.column == column)
    return str(field.db_type(connection)).partition("(")[0]
