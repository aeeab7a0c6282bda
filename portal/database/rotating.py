"""Bringing encrypted columns under the newest key, in batches; what stands there in clear is encrypted too.

    tables()                 models with an encrypted column, their histories among them
    count(model)             how many values are kept under which key, by its name; "" for those in clear
    encrypt(model)           what is not under the newest key comes under it
    register(Others(…))      what is encrypted elsewhere than in a column of its own
    encrypting("billing")    the same for a migration (written migrations import it: it stays where it is)

Each batch is a transaction of its own and a row says itself whether it is done: stopped anywhere, it goes on
from there when it is run again. A value that no key opens is left as it is.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from django.apps import apps as loaded
from django.db import connections, models, router, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from portal.database.encrypted import Encrypted, Following, keys
from portal.database.field_keys import CannotRead, is_encrypted, key_name

BATCH = 500


class Done(NamedTuple):
    """Of one table: rows written, and values that no key opens."""

    rows: int
    unreadable: int


@dataclass(frozen=True)
class Others:
    """Values that are encrypted elsewhere than in a column of their own, and how they are treated alike."""

    name: str  # in French, plural
    encrypt: Callable[[], Done]
    count: Callable[[], Counter[str]]


_others: dict[str, Others] = {}


def register(others: Others) -> None:
    """For an app, once it is ready."""
    _others[others.name] = others


def others() -> list[Others]:
    return list(_others.values())


def encrypted_fields(model: type[models.Model]) -> list[Encrypted]:
    return [field for field in model._meta.local_concrete_fields if isinstance(field, Encrypted)]


def tables(apps: Any = loaded) -> list[type[models.Model]]:
    return [
        model
        for model in apps.get_models(include_auto_created=True)
        if model._meta.managed and not model._meta.proxy and encrypted_fields(model)
    ]


def count(model: type[models.Model]) -> Counter[str]:
    connection = connections[router.db_for_read(model)]
    quote = connection.ops.quote_name
    found: Counter[str] = Counter()
    for field in encrypted_fields(model):
        column = quote(str(field.column))
        with connection.cursor() as cursor:
            # Up to the key's name: few groups, however many rows.
            cursor.execute(
                f"SELECT substr({column}, 1, %s), count(*) FROM {quote(model._meta.db_table)}"  # noqa: S608 our names
                f" WHERE {column} <> '' GROUP BY 1",
                [len(keys().newest.mark)],
            )
            for begins, rows in cursor.fetchall():
                found[key_name(begins) if is_encrypted(begins) else ""] += rows
    return found


def encrypt(
    model: type[models.Model],
    *,
    connection: BaseDatabaseWrapper | None = None,
    batch: int = BATCH,
    progress: Callable[[int], object] = lambda rows: None,
) -> Done:
    """`progress` is told how many rows each batch has written, once they are safe."""
    table = _Table(model, connection or connections[router.db_for_write(model)])
    done, unreadable = 0, 0
    for written, closed in table.batches(batch):
        done, unreadable = done + written, unreadable + closed
        progress(written)
    return Done(done, unreadable)


def encrypting(*labels: str) -> Callable[[Any, Any], None]:
    """For RunPython: the rows of these apps' tables."""

    def forwards(apps: Any, schema_editor: Any) -> None:
        for model in tables(apps):
            if model._meta.app_label in labels:
                encrypt(model, connection=schema_editor.connection)

    return forwards


class _Table:
    """One model's rows, read and written as they are kept."""

    def __init__(self, model: type[models.Model], connection: BaseDatabaseWrapper) -> None:
        self.connection = connection
        self.fields = encrypted_fields(model)
        self.following = [
            field for field in model._meta.local_concrete_fields if isinstance(field, Following)
        ]
        quote = connection.ops.quote_name
        self.name, self.key = quote(model._meta.db_table), quote(str(model._meta.pk.column))
        self.columns = [quote(str(field.column)) for field in self.fields]
        self.also = [quote(str(field.column)) for field in self.following]

    def batches(self, size: int) -> Iterator[tuple[int, int]]:
        """Rows written and values left, batch after batch."""
        last: Any = None
        while True:
            with transaction.atomic(using=self.connection.alias):
                rows = self._waiting(last, size)
                changes = [self._changed(*row) for row in rows]
                self._write([values for values, _ in changes if values])
            if not rows:
                return
            last = rows[-1][0]
            yield sum(bool(values) for values, _ in changes), sum(closed for _, closed in changes)

    def _waiting(self, last: Any, size: int) -> list[tuple[Any, ...]]:
        """The next rows with a value that is not under the newest key."""
        waits = " OR ".join(f"({column} <> '' AND {column} NOT LIKE %s)" for column in self.columns)
        after, given = ("", []) if last is None else (f"{self.key} > %s AND ", [last])
        lock = " FOR UPDATE" if self.connection.vendor == "postgresql" else ""
        with self.connection.cursor() as cursor:
            cursor.execute(
                f"SELECT {', '.join([self.key, *self.columns])} FROM {self.name}"  # noqa: S608 our names
                f" WHERE {after}({waits}) ORDER BY {self.key} LIMIT %s{lock}",
                [*given, *[f"{keys().newest.mark}%"] * len(self.columns), size],
            )
            return list(cursor.fetchall())

    def _changed(self, key: Any, *kept: str | None) -> tuple[list[Any], int]:
        """The row's new values with its key at the end, nothing when it stays; how many could not be read."""
        ring, values, texts, closed = keys(), list(kept), {}, 0
        for place, (field, value) in enumerate(zip(self.fields, kept, strict=True)):
            if not value:
                continue
            try:
                texts[field.name] = ring.decrypt(value)
            except CannotRead:
                closed += 1
                continue
            if not value.startswith(ring.newest.mark):
                values[place] = ring.encrypt(texts[field.name])
        if values == list(kept):
            return [], closed
        also = [field.following(texts[field.of]) if field.of in texts else None for field in self.following]
        return [*values, *also, key], closed

    def _write(self, changes: list[list[Any]]) -> None:
        # What follows a value that could not be read stays as it is.
        sets = [f"{column} = %s" for column in self.columns]
        sets += [f"{column} = COALESCE(%s, {column})" for column in self.also]
        with self.connection.cursor() as cursor:
            for values in changes:
                cursor.execute(f"UPDATE {self.name} SET {', '.join(sets)} WHERE {self.key} = %s", values)  # noqa: S608
