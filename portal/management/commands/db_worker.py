"""`manage.py db_worker`: the worker, which waits for its database and outlives it (`portal.tasks.running`).

It takes every queue unless told otherwise, so that no letter waits because an option was forgotten. It also
reads the portal's mailbox, where there is one; the demo's also reminds families each hour, as a timer does
elsewhere.
"""

import logging
import threading
from argparse import ArgumentParser
from collections.abc import Callable
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
from portal.letters import connection, mailbox
from portal.tasks.running import PatientWorker

logger = logging.getLogger(__name__)
AN_HOUR, A_QUARTER = 3600, 900


def _remind() -> None:
    rounds.remind(at=timezone.now())


def _read_mailbox() -> None:
    mailbox.read(settings.MAILBOX_URL, moment=timezone.now())


def _each(seconds: int, work: Callable[[], object], stop: threading.Event) -> None:
    """Does this work at once and then every so many seconds, in a thread of its own, until told to stop."""

    def go_on() -> None:
        while not stop.is_set():
            try:
                close_old_connections()
                town_time.activate()
                work()
            except Exception:  # whatever it is, the next time tries again
                logger.warning("%s did not work", work.__name__, exc_info=True)
            stop.wait(seconds)

    threading.Thread(target=go_on, name=work.__name__, daemon=True).start()


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
        connection.keep()
        stop = threading.Event()
        # Not for a worker that only empties its queue.
        if settings.DEMO and not options["batch"]:
            _each(AN_HOUR, _remind, stop)
        if settings.MAILBOX_URL and not options["batch"]:
            _each(A_QUARTER, _read_mailbox, stop)
        try:
            if options["reload"] and not options["batch"]:
                run_with_reloader(worker.run)
            else:
                worker.configure_signals()
                worker.run()
        finally:
            stop.set()
            connection.close_when_idle(now=True)
