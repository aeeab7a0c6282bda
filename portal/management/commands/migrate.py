"""`manage.py migrate`: Django's, on a portal in use.

It makes a new database at once (`portal.database.fresh`), waits a few seconds for a lock and tries again
(`portal.database.locks`), leaves a database alone that it cannot bring to this version, keeps which version
it made of it, and closes what lies on the disk to others.
"""

from typing import Any

from django.core.management.base import CommandError
from django.core.management.commands import migrate
from django.db import connections
from django.utils import timezone

from portal.database import fresh, locks, versions
from portal.files import closed

# Options of who wants to see, or to walk, the migrations themselves.
SOMETHING_ELSE = ["app_label", "check_unapplied", "fake", "fake_initial", "plan", "prune", "run_syncdb"]


class Command(migrate.Command):
    def handle(self, *args: Any, **options: Any) -> None:
        connection = connections[options["database"]]
        closed.prepare(connection)
        if estrangement := versions.estrangement(connection):
            raise CommandError(estrangement)
        if not any(options[asked] for asked in SOMETHING_ELSE) and fresh.is_new(connection):
            fresh.make(connection)
            if options["verbosity"]:
                self.stdout.write("Base neuve : ses tables sont faites d'un coup.")
        migrate_all = super().handle
        try:
            locks.patiently(connection, lambda: migrate_all(*args, **options))
        except locks.StillLocked as locked:
            raise CommandError(str(locked)) from locked
        versions.note(connection, at=timezone.now())
        closed.close(connection)
