"""Tasks whose worker died: taken up again as often as they may begin, then « interrompues ».

take_up(at=…)           all that dead workers left
hand_back(row, at=…)    one task, by the worker that cannot end it
do_again(rows)          what failed, asked for at the desk
"""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, TypeAlias

from django.core.exceptions import SuspiciousOperation
from django.db import transaction
from django.db.models import Q, QuerySet
from django_tasks.base import TaskResultStatus
from django_tasks_db.models import DBTaskResult

from portal.tasks import attempts, workers

logger = logging.getLogger(__name__)

TaskRow: TypeAlias = "DBTaskResult[Any, Any]"


class Interrupted(Exception):
    """What a task failed by that no worker may begin any more."""


PATH = f"{Interrupted.__module__}.{Interrupted.__qualname__}"
INTERRUPTED = Q(status=TaskResultStatus.FAILED, exception_class_path=PATH)
# Since when a RUNNING task of nobody's is left over: a worker that died was seen a moment before.
SILENT_AT_NIGHT = timedelta(minutes=10)


def is_interrupted(row: TaskRow) -> bool:
    return row.status == TaskResultStatus.FAILED and row.exception_class_path == PATH


def left_over(*, at: datetime, silent_after: timedelta = workers.SILENT_AFTER) -> list[TaskRow]:
    """What is being done by workers that are silent or gone."""
    rows = DBTaskResult.objects.running().filter(started_at__lt=at - silent_after)
    running = list(rows)
    if not running:
        return []
    alive = set(workers.living(at=at, silent_after=silent_after).values_list("name", flat=True))
    return [row for row in running if not row.worker_ids or row.worker_ids[-1] not in alive]


def take_up(*, at: datetime, silent_after: timedelta = workers.SILENT_AFTER) -> int:
    """Has what dead workers left done again where it may be; how many tasks were found."""
    found = left_over(at=at, silent_after=silent_after)
    return sum(hand_back(row, at=at) for row in found)


def hand_back(left: TaskRow, *, at: datetime) -> bool:
    """Puts one task back into the queue, or says that it is interrupted; whether there was anything to do.

    Two may do it at once: the row is held, and looked at again.
    """
    with transaction.atomic():
        rows = DBTaskResult.objects.select_for_update().filter(pk=left.pk)
        row = rows.filter(status=TaskResultStatus.RUNNING, started_at=left.started_at).first()
        if row is None:
            return False
        rule = _rule(row)
        begun = len(row.worker_ids)
        if rule is not None and begun < rule.times:
            row.status = TaskResultStatus.READY
            row.save(update_fields=["status"])
            logger.warning("Task %s (%s) is taken up again: its worker stopped", row.pk, row.task_path)
            return True
        row.status, row.finished_at = TaskResultStatus.FAILED, at
        row.exception_class_path = PATH
        row.traceback = f"Interrompue : le processus qui la faisait s'est arrêté ({begun} fois)."
        row.save(update_fields=["status", "finished_at", "exception_class_path", "traceback"])
        if rule is not None and rule.given_up is not None:
            rule.given_up(row.args_kwargs["args"], row.args_kwargs["kwargs"])
        logger.error("Task %s (%s) is interrupted: its worker stopped %d times", row.pk, row.task_path, begun)
        return True


def _rule(row: TaskRow) -> attempts.Rule | None:
    """None for a task that this version does not know."""
    try:
        return attempts.rule(row.task.module_path)
    except (ImportError, SuspiciousOperation):
        return None


def do_again(rows: "QuerySet[DBTaskResult[Any, Any]] | Sequence[TaskRow]") -> int:
    """Puts tasks that failed back into the queue, as if nobody had begun them; how many."""
    keys = [row.pk for row in rows]
    failed = DBTaskResult.objects.failed().filter(pk__in=keys)
    return failed.update(
        status=TaskResultStatus.READY, worker_ids=[], finished_at=None, exception_class_path="", traceback=""
    )
