"""The worker's loop: django-tasks', which also outlives its database, and stops in time whatever a task does.

Stopping: no other task begins; the one that is being done has GRACE to end, is then left and handed back to
the queue, and after LAST the process ends where it is (another worker takes the task up).
"""

import logging
import os
import random
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from types import FrameType
from typing import Any

from django.core.exceptions import SuspiciousOperation
from django.db import (
    DatabaseError,
    InterfaceError,
    OperationalError,
    close_old_connections,
    connection,
    transaction,
)
from django_tasks_db.compat import TaskContext, task_finished, task_started
from django_tasks_db.management.commands.db_worker import Worker
from django_tasks_db.models import DBTaskResult
from django_tasks_db.utils import exclusive_transaction, is_locked_database_exception

from portal.database import clock, patience
from portal.tasks import attempts, current, holding, taking_up, workers
from portal.tasks.taking_up import TaskRow

logger = logging.getLogger(__name__)

# Seconds after the signal. Service managers are told 30 (docs/mail.md).
GRACE, AND_THEN_EVERY, LAST = 12, 4, 25

# Called whenever nothing is to be done, and at the end.
_between: list[Callable[[], None]] = []


def between_tasks(work: Callable[[], None]) -> None:
    """Has the worker call this when it finds no task, and when it ends."""
    if work not in _between:
        _between.append(work)


class Stopped(BaseException):
    """Raised in the task that is being done when a stop cannot wait for it."""


class PatientWorker(Worker):
    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.stop = threading.Event()
        self._leave_it = False
        self._last: threading.Timer | None = None

    # Stopping ------------------------------------------------------------------------------------------

    def shutdown(self, signum: int, frame: FrameType | None) -> None:
        name = signal.strsignal(signum)
        if not self.running:
            logger.warning("Received %s again: the task is left", name)
            self._hurry(signum, frame)
            return
        logger.warning("Received %s: the worker ends", name)
        self.running = False
        self.stop.set()
        signal.signal(signal.SIGALRM, self._hurry)
        signal.setitimer(signal.ITIMER_REAL, GRACE, AND_THEN_EVERY)
        self._last = threading.Timer(LAST, os._exit, (1,))
        self._last.daemon = True
        self._last.start()

    def _hurry(self, signum: int, frame: FrameType | None) -> None:
        if self._leave_it:
            raise Stopped

    # The loop ------------------------------------------------------------------------------------------

    def run(self) -> None:
        logger.info("Starting worker %s, queues %s", self.worker_id, ",".join(self.queue_names))
        if self.startup_delay and self.interval:
            self.stop.wait(random.random())  # noqa: S311 - several workers do not start as one
        with Heartbeat(self.worker_id):
            while self.running and not self._is_over():
                try:
                    close_old_connections()
                    row, looked = self._claimed()
                except (DatabaseError, InterfaceError) as error:
                    self._wait_for_the_database(error)
                    continue
                if row is not None:
                    self.run_task(row)
                    continue
                self._nothing_to_do()
                if self.batch and looked:
                    break
                self.stop.wait(self.interval)
            self._nothing_to_do()
        signal.setitimer(signal.ITIMER_REAL, 0)
        if self._last is not None:
            self._last.cancel()

    def _is_over(self) -> bool:
        return self.max_tasks is not None and self._run_tasks >= self.max_tasks

    def _nothing_to_do(self) -> None:
        for work in _between:
            work()

    def _claimed(self) -> "tuple[TaskRow | None, bool]":
        """The next task, this worker's from now on; and whether the queue could be looked at."""
        tasks = holding.not_held(DBTaskResult.objects.ready().filter(backend_name=self.backend_name))
        if not self.process_all_queues:
            tasks = tasks.filter(queue_name__in=self.queue_names)
        if self.excluded_queue_names:
            tasks = tasks.exclude(queue_name__in=self.excluded_queue_names)
        try:
            with exclusive_transaction(tasks.db):
                row: TaskRow | None = tasks.get_locked()
                if row is not None:
                    row.claim(self.worker_id)
        except OperationalError as error:
            if is_locked_database_exception(error):  # SQLite's, of which another has a write
                return None, False
            raise
        return row, True

    def _wait_for_the_database(self, error: Exception) -> None:
        """Raises the error again when it is none of a database that has gone."""
        if not patience.went_away(error):
            raise error
        patience.until_it_answers(self.stop)

    # One task ------------------------------------------------------------------------------------------

    def run_task(self, db_task_result: TaskRow) -> None:
        """Does it, and writes down what became of it, once the database can take it."""
        row = db_task_result
        self.running_task = True
        try:
            try:
                value, written = self._do(row)
            except Stopped:
                self._settle(partial(self._hand_back, row))
            except BaseException as error:  # noqa: BLE001 - whatever it is, the worker lives and the row says it
                if patience.went_away(error):
                    self._settle(partial(self._hand_back, row))
                else:
                    self._settle(partial(row.set_failed, error))
                    self._finished(row)
            else:
                if not written:
                    self._settle(partial(self._succeeded, row, value))
                self._finished(row)
        finally:
            self.running_task = False
            self._run_tasks += 1

    def _do(self, row: TaskRow) -> tuple[Any, bool]:
        """What the task returned, and whether that is written already."""
        task, result = row.task, row.task_result
        task_started.send(sender=type(task.get_backend()), task_result=result)
        given: tuple[Any, ...] = (TaskContext(task_result=result),) if task.takes_context else ()
        call = partial(task.call, *given, *result.args, **result.kwargs)
        whole = attempts.rule(task.module_path).whole
        try:
            self._leave_it = True
            if not whole:
                with current.doing(row.pk, len(row.worker_ids)):
                    return call(), False
            with current.doing(row.pk, len(row.worker_ids)), transaction.atomic():
                value = call()
                self._leave_it = False
                row.set_successful(value)
            return value, True
        finally:
            self._leave_it = False

    def _succeeded(self, row: TaskRow, value: Any) -> None:
        try:
            row.set_successful(value)
        except (TypeError, ValueError) as error:  # what it returned is no JSON
            row.set_failed(error)

    def _hand_back(self, row: TaskRow) -> None:
        if connection.in_atomic_block or not connection.is_usable():
            connection.close()
        taking_up.hand_back(row, at=clock.now())

    def _settle(self, write: Callable[[], object]) -> None:
        """Writes, as soon as the database takes it: a mail that has left is not sent again for its sake."""
        while True:
            try:
                write()
            except (DatabaseError, InterfaceError) as error:
                if not patience.went_away(error):
                    raise
                # Nobody else knows what became of the task: the end of the process is all that ends this.
                patience.until_it_answers(threading.Event())
            else:
                return

    def _finished(self, row: TaskRow) -> None:
        with suppress(ImportError, SuspiciousOperation):
            task_finished.send(sender=type(row.task.get_backend()), task_result=row.task_result)


class Heartbeat:
    """Says every few seconds that this worker lives, and takes up what others left, in a thread of its own.

    Nothing that fails ends it: the next beat tries again.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._go_on, name="heartbeat", daemon=True)

    def __enter__(self) -> "Heartbeat":
        # Its row is there before it claims anything.
        self.once()
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self.thread.join(timeout=2)
        try:
            workers.leave(self.name)
        except (DatabaseError, InterfaceError):
            logger.warning("The worker's row stays until it is forgotten", exc_info=True)

    def once(self) -> None:
        try:
            close_old_connections()
            at = clock.now()
            workers.beat(self.name, at=at)
            if workers.may_judge(self.name, at=at):
                taking_up.take_up(at=at)
        except Exception:  # whatever it is, the next beat tries again
            logger.warning("The worker's heartbeat could not be written", exc_info=True)

    def _go_on(self) -> None:
        while not self.stop.wait(workers.BEAT_EVERY.total_seconds()):
            self.once()
        connection.close()
