"""`manage.py db_worker`: django-tasks' worker, with a heartbeat that `/sante/` can see.

It takes every queue unless told otherwise, so that no letter waits because an option was forgotten. The
demo's also reminds families each hour, as a timer does elsewhere.
"""

import logging
import threading
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.db import Error, close_old_connections
from django.utils import timezone
from django_tasks_db.management.commands import db_worker

from families.reminders import rounds
from portal import health, launching, town_time
from portal.database.starting import DataCommand

logger = logging.getLogger(__name__)
AN_HOUR = 3600


def _beat(stop: threading.Event) -> None:
    """Says every few seconds that this process lives, until told to stop.

    A database that is away for a moment must not end the heartbeat: the next beat tries again.
    """
    while True:
        try:
            close_old_connections()
            health.beat(at=timezone.now())
        except (Error, OSError):
            logger.warning("The worker's heartbeat could not be written", exc_info=True)
        if stop.wait(health.BEAT_EVERY.total_seconds()):
            return


def _remind(stop: threading.Event) -> None:
    """Once when the demo begins and then each hour, until told to stop."""
    while not stop.is_set():
        try:
            close_old_connections()
            town_time.activate()
            rounds.remind(at=timezone.now())
        except (Error, OSError):
            logger.warning("The reminders could not leave", exc_info=True)
        stop.wait(AN_HOUR)


class Command(DataCommand, db_worker.Command):
    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.set_defaults(queue_name="*")

    def handle(self, **options: Any) -> None:
        launching.work_or_leave()
        stop = threading.Event()
        threading.Thread(target=_beat, args=(stop,), name="heartbeat", daemon=True).start()
        # Not for a worker that only empties its queue.
        if settings.DEMO and not options["batch"]:
            threading.Thread(target=_remind, args=(stop,), name="reminders", daemon=True).start()
        try:
            super().handle(**options)
        finally:
            stop.set()
