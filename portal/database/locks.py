"""A schema changed while the portal is in use: who changes it waits for seconds only, and the others go on.

On PostgreSQL a statement that waits for a table keeps all those waiting that come after it. So it gives up
soon, and is tried again later.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from django.db import OperationalError
from django.db.backends.base.base import BaseDatabaseWrapper

WAITS = timedelta(seconds=5)
TRIES = 3
LOCK_NOT_AVAILABLE = "55P03"  # PostgreSQL's code, see lock_timeout in its manual


class StillLocked(Exception):
    """Somebody kept a table too long; `str()` is a sentence for who migrates."""

    def __init__(self) -> None:
        super().__init__(
            f"La base est occupée : une autre connexion tient une table depuis plus de {WAITS.seconds} s, "
            f"{TRIES} essais n'ont pas suffi. Ce qui est fait le reste : relancez « manage.py migrate » "
            "quand elle aura fini (docs/upgrading.md dit comment la trouver)."
        )


def patiently(connection: BaseDatabaseWrapper, act: Callable[[], object]) -> None:
    """Runs `act`, which may be run again: no lock is waited for longer than WAITS, TRIES times over.

    Raises StillLocked. Waits as the database does where that is not PostgreSQL.
    """
    for _ in range(TRIES):
        try:
            with _waiting_at_most(connection, WAITS):
                act()
                return
        except OperationalError as error:
            if getattr(error.__cause__, "sqlstate", None) != LOCK_NOT_AVAILABLE:
                raise
            refused = error
            if connection.in_atomic_block:
                # Django leaves a migration's transaction open where its last statements, foreign keys, fail.
                connection.close()
                connection.connect()
    raise StillLocked from refused


@contextmanager
def _waiting_at_most(connection: BaseDatabaseWrapper, time: timedelta) -> Iterator[None]:
    if connection.vendor != "postgresql":
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('lock_timeout')")
        (usual,) = cursor.fetchone()
    _set(connection, f"{time / timedelta(milliseconds=1):.0f}ms")
    try:
        yield
    finally:
        if connection.is_usable():
            _set(connection, usual)


def _set(connection: BaseDatabaseWrapper, lock_timeout: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('lock_timeout', %s, false)", [lock_timeout])
