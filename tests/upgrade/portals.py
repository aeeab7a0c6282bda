"""A portal of its own beside the suite's: another database, another folder, in the same process."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import environ
from django.apps import apps
from django.contrib.contenttypes.models import ContentType
from django.core.cache import cache
from django.core.files.storage import FileSystemStorage, storages
from django.db import DEFAULT_DB_ALIAS, connections, models
from django.test import override_settings

from billing.prices import estimates
from portal import town
from portal.database import tuning

# A released version's data is read on every machine; its town is invented.
FIELD_KEYS = ["the public key of the towns of tests/data/releases"]


@contextmanager
def portal_at(address: str, folder: Path) -> Iterator[None]:
    """Everything reads and writes the database at `address` and the files under `folder`, meanwhile.

    Its schema is that of the migrations, whatever the suite's own was made from.
    """
    usual = connections.settings[DEFAULT_DB_ALIAS], connections[DEFAULT_DB_ALIAS]
    entry = tuning.tuned(environ.Env.db_url_config(address), kept=0, prepared=True)
    connections.settings[DEFAULT_DB_ALIAS] = connections.configure_settings({DEFAULT_DB_ALIAS: entry})[
        DEFAULT_DB_ALIAS
    ]
    connections[DEFAULT_DB_ALIAS] = connections.create_connection(DEFAULT_DB_ALIAS)
    forget()
    try:
        with (
            override_settings(
                MEDIA_ROOT=folder / "media",
                PRIVATE_ROOT=folder / "private",
                MIGRATION_MODULES={},
                FIELD_KEYS=FIELD_KEYS,
            ),
            _private(folder / "private"),
        ):
            yield
    finally:
        connections[DEFAULT_DB_ALIAS].close()
        connections.settings[DEFAULT_DB_ALIAS], connections[DEFAULT_DB_ALIAS] = usual
        forget()


def forget() -> None:
    """What a process remembers of its database."""
    town.forget()
    estimates.forget()
    cache.clear()
    ContentType.objects.clear_cache()


@contextmanager
def _private(folder: Path) -> Iterator[None]:
    """Models took the storage of private files when they were loaded: each gets another one."""
    usual, ours = storages["private"], FileSystemStorage(folder)
    fields = [
        field
        for model in apps.get_models()
        for field in model._meta.local_concrete_fields
        if isinstance(field, models.FileField) and field.storage is usual
    ]
    for field in fields:
        field.storage = ours
    try:
        yield
    finally:
        for field in fields:
            field.storage = usual
