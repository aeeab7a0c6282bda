"""`manage.py db_worker`: the worker, which waits for its database and outlives it (`portal.tasks.running`).

It takes every queue unless told otherwise, so that no letter waits because an option was forgotten. The
demo's also reminds families each hour, as a timer does elsewhere.
"""

import logging
import threading
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError
from django.db import close_old_connections
from django.utils import timezone
from django.utils.autoreload import run_with_reloader
from django_tasks_db.management.commands import db_worker

from families.reminders import rounds
from portal import launching, town_time
from portal.database import patience
from portal.database.starting import DataCommand
from portal.tasks.running import PatientWorker

logger = logging.getLogger(__name__)
AN_HOUR = 3600


def _remind(stop: threading.Event) -> None:
    """Once when the demo begins and then each hour, until told to stop."""
    while not stop.is_set():
        try:
            close_old_connections()
            town_time.activate()
            rounds.remind(at=timezone.now())
        except Exception:  # whatever it is, the next hour tries again
            logger.warning("The reminders could not leave", exc_info=True)
        stop.wait(AN_HOUR)


class Command(DataCommand, db_worker.Command):
    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.set_defaults(queue_name="*")

    def check_migrations(self) -> None:
        patience.until_it_answers(threading.Event())
        super().check_migrations()

    def handle(self, **options: Any) -> None:
        launching.work_or_leave()
        self.configure_logging(options["verbosity"])
        excluded = options["exclude_queues"]
        if excluded and options["queue_name"] != "*":
            raise CommandError("--exclude-queues can only be used with --queue-name=*")
        wanted = ("interval", "batch", "backend_name", "startup_delay", "max_tasks", "worker_id")
        worker = PatientWorker(
            queue_names=options["queue_name"].split(","),
            excluded_queue_names=excluded.split(",") if excluded else [],
            **{name: options[name] for name in wanted},
        )
        stop = threading.Event()
        # Not for a worker that only empties its queue.
        if settings.DEMO and not options["batch"]:
            threading.Thread(target=_remind, args=(stop,), name="reminders", daemon=True).start()
        try:
            if options["reload"] and not options["batch"]:
                run_with_reloader(worker.run)
            else:
                worker.configure_signals()
                worker.run()
        finally:
            stop.set()
