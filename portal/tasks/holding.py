"""After a restore no mail leaves until somebody says so: what waited in the copied queue left long ago.

    not_held(tasks)            those of the queue (a queryset) that a worker may begin
    held() -> Restoration      the restore since which mails wait; None on any other day
    waiting(restoration)       how many mails wait: of the copy, and written since
    release(restoration, …)    they leave; or those of the copy are given up, and the others leave

The worker leaves the queue of mails alone meanwhile; all else it does.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

from django.db import connection, transaction
from django.db.models import Exists, QuerySet
from django_tasks.base import TaskResultStatus
from django_tasks_db.models import DBTaskResult

from portal.models import Restoration

QUEUE = "mail"
Tasks = TypeVar("Tasks", bound=QuerySet[Any])
UNSENT = (TaskResultStatus.READY, TaskResultStatus.RUNNING)


class Waiting(NamedTuple):
    """Mails that were in the queue of the copy, and mails written since the restore."""

    copied: int
    since: int


def can_hold() -> bool:
    """Whether the database is of a version that knows how: an older one has no worker before `migrate`."""
    return Restoration._meta.db_table in connection.introspection.table_names()


def hold(*, made_at: datetime, at: datetime) -> Restoration:
    """From now (`at`) on; the copy is of `made_at`. Both aware."""
    return Restoration.objects.create(made_at=made_at, restored_at=at)


def held() -> Restoration | None:
    return Restoration.objects.filter(released_at=None).first()


def not_held(tasks: Tasks) -> Tasks:
    """Asked within the same query: the worker looks every second."""
    held = Exists(Restoration.objects.filter(released_at=None))
    return tasks.exclude(held, queue_name=QUEUE, status=TaskResultStatus.READY)


def waiting(since: Restoration) -> Waiting:
    found, copied = _mails().count(), _copied(since).count()
    return Waiting(copied, found - copied)


def release(since: Restoration, *, give_up: Callable[[int], object] | None = None, at: datetime) -> Waiting:
    """Lets mails leave from now (`at`, aware) on; those of the copy too, unless there is somebody to be told
    the number of each letter whose mail is deleted from the queue. Returns what waited."""
    with transaction.atomic():
        found = waiting(since)
        if give_up is not None:
            for kwargs in _copied(since).values_list("args_kwargs__kwargs", flat=True):
                if (number := kwargs.get("number")) is not None:
                    give_up(number)
            _copied(since).delete()
        Restoration.objects.filter(released_at=None).update(released_at=at)
    return found


def _mails() -> Any:
    return DBTaskResult.objects.filter(queue_name=QUEUE, status__in=UNSENT)


def _copied(since: Restoration) -> Any:
    return _mails().filter(enqueued_at__lt=since.restored_at)
