"""The task that this thread is doing: how often it has begun, and what it notes for the next time."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

from django.db import transaction
from django_tasks_db.models import DBTaskResult


class Begun(NamedTuple):
    key: Any
    times: int


_current: ContextVar[Begun | None] = ContextVar("current task", default=None)


@contextmanager
def doing(key: Any, times: int) -> Iterator[None]:
    """The worker does the task with this key, which has begun so many times."""
    token = _current.set(Begun(key, times))
    try:
        yield
    finally:
        _current.reset(token)


def is_repeated() -> bool:
    """Whether a worker has begun this very task before, and died."""
    begun = _current.get()
    return begun is not None and begun.times > 1


def note(**named: Any) -> None:
    """Should this worker die, the task begins again with these named arguments besides its own. Written with
    the caller's transaction; nothing where no worker does the task."""
    begun = _current.get()
    if begun is None:
        return
    with transaction.atomic():
        row = DBTaskResult.objects.select_for_update().get(pk=begun.key)
        row.args_kwargs["kwargs"] |= named
        row.save(update_fields=["args_kwargs"])
