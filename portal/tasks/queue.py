"""What the queue looks like at a moment: facts for a monitor and for the desk."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Case, Count, F, Min, Q, When
from django_tasks.base import TaskResultStatus
from django_tasks_db.models import DBTaskResult, get_date_max

from portal.tasks import holding
from portal.tasks.taking_up import INTERRUPTED

# A living worker that is at one task for longer is seldom at work.
TOO_LONG = timedelta(minutes=30)

# From when a task could be done. One for « at once » has a date beyond all dates.
DUE = Case(When(run_after__gte=get_date_max(), then=F("enqueued_at")), default=F("run_after"))


@dataclass(frozen=True)
class Facts:
    """`waiting`: tasks due now; `age`: since when the oldest of them is, None without one. `later`: tasks for
    another hour; mails held since a restore are neither. `failed`, of which `interrupted` by workers that
    died."""

    waiting: int
    age: timedelta | None
    later: int
    running: int
    running_too_long: int
    failed: int
    interrupted: int


def facts(*, at: datetime) -> Facts:
    """The queue at `at` (aware), in one query."""
    ready, running = Q(status=TaskResultStatus.READY), Q(status=TaskResultStatus.RUNNING)
    rows = DBTaskResult.objects.exclude(status=TaskResultStatus.SUCCESSFUL).annotate(due=DUE)
    rows = holding.not_held(rows)
    found: dict[str, Any] = rows.order_by().aggregate(
        waiting=Count("pk", filter=ready & Q(due__lte=at)),
        oldest=Min("due", filter=ready & Q(due__lte=at)),
        later=Count("pk", filter=ready & Q(due__gt=at)),
        running=Count("pk", filter=running),
        running_too_long=Count("pk", filter=running & Q(started_at__lt=at - TOO_LONG)),
        failed=Count("pk", filter=Q(status=TaskResultStatus.FAILED)),
        interrupted=Count("pk", filter=INTERRUPTED),
    )
    oldest: datetime | None = found.pop("oldest")
    return Facts(age=at - oldest if oldest else None, **found)
