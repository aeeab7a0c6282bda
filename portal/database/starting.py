"""What starts on the database looks first whether it is the one this code was written for."""

from collections.abc import Callable
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connection
from django.utils import timezone

from portal.database import versions

# gunicorn takes this code for « the application cannot be loaded » and stops; after any other it would start
# the same process again and again, as systemd would.
CANNOT_BE_LOADED = 4


def _no_clock() -> None:
    """Django's own, as long as the portal has not said where its town lies."""


# Makes the town's zone the thread's.
set_clock: Callable[[], None] = _no_clock


class DataCommand(BaseCommand):
    """A command on the town's data, by the town's clock: refused with a sentence where the database is of
    another version."""

    requires_migrations_checks = True
    # A command that only reads, and says itself which triggers are missing.
    reads_unprotected = False

    def execute(self, *args: Any, **options: Any) -> Any:
        with timezone.override(timezone.get_current_timezone()):  # given back at the end
            return super().execute(*args, **options)

    def check_migrations(self) -> None:
        if hindrance := versions.hindrance(connection, unprotected=self.reads_unprotected):
            raise CommandError(hindrance, returncode=CANNOT_BE_LOADED)
        set_clock()
