"""What the portal keeps on this machine's disk is closed to its other users: by `migrate`, and each night,
whatever a restored copy brought along."""

from pathlib import Path

from django.conf import settings
from django.db.backends.base.base import BaseDatabaseWrapper

from portal.files import modes

KEYS = ("secret_key", "field_key")


def prepare(connection: BaseDatabaseWrapper) -> None:
    """Makes the file of a database of SQLite before SQLite does, which would let everybody read it."""
    if path := _file_of(connection):
        modes.make_private_file(path)


def close(connection: BaseDatabaseWrapper) -> int:
    """Closes private files, keys made here, the database's file. Returns how many were open to others."""
    closed = modes.close(settings.PRIVATE_ROOT)
    closed += modes.close_files(settings.VAR_DIR / name for name in KEYS)
    if path := _file_of(connection):
        closed += modes.close_files(path.with_name(path.name + more) for more in modes.COMPANIONS)
    return closed


def _file_of(connection: BaseDatabaseWrapper) -> Path | None:
    name = str(connection.settings_dict["NAME"])
    in_memory = name == ":memory:" or name.startswith("file:")
    return Path(name) if connection.vendor == "sqlite" and not in_memory else None
