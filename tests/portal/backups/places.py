"""Places for a portal to be saved from and brought back to: a database and stores of their own."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import environ
import pytest
from django.apps import apps
from django.core.files.storage import FileSystemStorage, Storage, default_storage, storages
from django.db import DEFAULT_DB_ALIAS, connections, models

from portal.database import tuning
from tests.upgrade.portals import forget


@contextmanager
def stores_under(folder: Path, private: Storage | None = None) -> Iterator[None]:
    """Families' files and public ones lie there, meanwhile; families' in a store of their own, if given."""
    usual, ours = storages["private"], private or FileSystemStorage(folder / "private")
    fields = [
        field
        for model in apps.get_models()
        for field in model._meta.local_concrete_fields
        if isinstance(field, models.FileField) and field.storage is usual
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(storages._storages, "private", ours)
        patch.setattr(default_storage, "_wrapped", FileSystemStorage(folder / "media"))
        for field in fields:
            patch.setattr(field, "storage", ours)
        yield


@contextmanager
def database_at(address: str) -> Iterator[None]:
    """Everything reads and writes the database at `address`, meanwhile; its schema is the suite's."""
    usual = connections.settings[DEFAULT_DB_ALIAS], connections[DEFAULT_DB_ALIAS]
    entry = tuning.tuned(environ.Env.db_url_config(address), kept=0, prepared=True)
    connections.settings[DEFAULT_DB_ALIAS] = connections.configure_settings({DEFAULT_DB_ALIAS: entry})[
        DEFAULT_DB_ALIAS
    ]
    connections[DEFAULT_DB_ALIAS] = connections.create_connection(DEFAULT_DB_ALIAS)
    connections[DEFAULT_DB_ALIAS].inc_thread_sharing()
    forget()
    try:
        yield
    finally:
        connections[DEFAULT_DB_ALIAS].close()
        connections.settings[DEFAULT_DB_ALIAS], connections[DEFAULT_DB_ALIAS] = usual
        forget()
