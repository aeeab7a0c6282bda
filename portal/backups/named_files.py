"""Which files the rows of one moment name, and the stores they lie in.

Only what a row names is kept, and the journal of erasures: what an erased family left behind in a store is
nobody's any more, and must not come back.
"""

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from django.apps import apps
from django.core.files.storage import Storage, default_storage
from django.db import connection, models

from portal.backups.databases import Moment
from portal.files.uploads import private_storage

PRIVATE, PUBLIC = "prive", "public"
ROWS_AT_A_TIME = 5000
SHA256 = "sha256"


class Named(NamedTuple):
    """A file that a row names, with its SHA-256 where the row knows it."""

    where: str
    name: str
    sha256: str
    column: int  # which of `columns()`
    row: int


class Column(NamedTuple):
    model: type[models.Model]
    field: models.FileField
    where: str
    knows_sha256: bool


def store(where: str) -> Storage:
    """Raises KeyError for a place that is none."""
    stores: dict[str, Storage] = {PRIVATE: private_storage(), PUBLIC: default_storage}
    return stores[where]


def columns() -> list[Column]:
    """Every column that names files; versions of rows name none that their rows do not."""
    found = []
    for model in apps.get_models():
        if model._meta.proxy or not model._meta.managed:
            continue
        knows = any(field.name == SHA256 for field in model._meta.local_concrete_fields)
        for field in model._meta.local_concrete_fields:
            if isinstance(field, models.FileField):
                where = PUBLIC if field.storage is default_storage else PRIVATE
                found.append(Column(model, field, where, knows))
    return found


@contextmanager
def of_moment(moment: Moment) -> Iterator[Iterator[Named]]:
    """All that rows name at that moment, to be read once, also after it: it is noted on the disk."""
    with tempfile.TemporaryFile("w+") as noted:
        for number, column in enumerate(columns()):
            for row, name, sha256 in _rows(moment, column):
                noted.write(json.dumps(Named(column.where, name, sha256 or "", number, row)) + "\n")
        noted.seek(0)
        yield (Named(*json.loads(line)) for line in noted)


def _rows(moment: Moment, column: Column) -> Iterator[tuple[int, str, str]]:
    quote, meta = connection.ops.quote_name, column.model._meta
    key, name = quote(str(meta.pk.column)), quote(str(column.field.column))
    asked = f"{key}, {name}, {quote(SHA256) if column.knows_sha256 else repr('')}"
    last = -1
    while True:
        found = moment.rows(
            f"SELECT {asked} FROM {quote(meta.db_table)} WHERE {name} <> '' AND {key} > {int(last)}"  # noqa: S608
            f" ORDER BY {key} LIMIT {ROWS_AT_A_TIME}"
        )
        yield from found
        if len(found) < ROWS_AT_A_TIME:
            return
        last = found[-1][0]


def is_still_named(named: Named) -> bool:
    """Whether the row still names the file, now."""
    column = columns()[named.column]
    return column.model._base_manager.filter(pk=named.row, **{column.field.name: named.name}).exists()


def under(where: str, folder: str) -> Iterator[str]:
    """Names of all files of a folder of a store, and of those under it; none where it is not there."""
    try:
        folders, names = store(where).listdir(folder)
    except FileNotFoundError:
        return
    yield from (f"{folder}/{name}" for name in sorted(names) if name)
    for one in sorted(folders):
        yield from under(where, f"{folder}/{one}")
