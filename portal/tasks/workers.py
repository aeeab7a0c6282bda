"""Who does tasks, and who of them still lives: a row a worker, whose only writer is here.

    beat(name, at=…)        it lives; every BEAT_EVERY
    leave(name)             it ends
    living(at=…)            those that beat within SILENT_AFTER
    last_seen()             when any of them did
    may_judge(name, at=…)   whether it may say of another that it is dead

The moments are the database's (`portal.database.clock`), whose table survives what a cache does not.
"""

import socket
from datetime import datetime, timedelta

from django.db.models import Case, F, Max, QuerySet, When

from portal.models import Worker

BEAT_EVERY = timedelta(seconds=10)
SILENT_AFTER = timedelta(seconds=60)
# What a killed worker leaves.
ROWS_KEPT = timedelta(days=1)


def beat(name: str, *, at: datetime) -> None:
    """The worker of this name lives at `at` (aware)."""
    gap = When(seen_at__lt=at - SILENT_AFTER, then=at)
    rows = Worker.objects.filter(name=name)
    if not rows.update(unbroken_since=Case(gap, default=F("unbroken_since")), seen_at=at):
        row = Worker(name=name, machine=socket.gethostname()[:120])
        row.started_at = row.unbroken_since = row.seen_at = at
        row.save()


def leave(name: str) -> None:
    Worker.objects.filter(name=name).delete()


def forget(*, at: datetime) -> int:
    """Rows of workers that were killed long ago; how many."""
    return Worker.objects.filter(seen_at__lt=at - ROWS_KEPT).delete()[0]


def living(*, at: datetime, silent_after: timedelta = SILENT_AFTER) -> QuerySet[Worker]:
    return Worker.objects.filter(seen_at__gte=at - silent_after)


def last_seen() -> datetime | None:
    """The last beat of any worker; None where none lives or was killed lately."""
    found: datetime | None = Worker.objects.aggregate(last=Max("seen_at"))["last"]
    return found


def may_judge(name: str, *, at: datetime) -> bool:
    """Whether it has beaten without a gap for as long as another must be silent to be dead.

    A database that was away has heard nobody: whoever speaks first would find all others dead.
    """
    return Worker.objects.filter(name=name, unbroken_since__lte=at - SILENT_AFTER).exists()
