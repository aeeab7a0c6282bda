"""`/sante/`: whether the database, the cache and the worker answer, for a monitor or a load balancer.

Public, and says nothing but « ok » or what part is sick; the cause is in the logs.
"""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.core.cache import cache
from django.db import connection
from django.db.models import Q
from django.http import HttpRequest, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from django_tasks_db.models import DBTaskResult

logger = logging.getLogger(__name__)

HEARTBEAT = "worker-heartbeat"
PROBE = "health-probe"
BEAT_EVERY = timedelta(seconds=10)
SILENT_AFTER = timedelta(seconds=60)
# A task due since so long means that a living worker does not get to its work.
STUCK_AFTER = timedelta(minutes=10)


def beat(*, at: datetime) -> None:
    """Called by the worker: it lives at `at` (aware)."""
    cache.set(HEARTBEAT, at.timestamp(), timeout=int(SILENT_AFTER.total_seconds()))


def database_answers() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        return bool(cursor.fetchone() == (1,))


def cache_answers(*, at: datetime) -> bool:
    """What is written at `at` can be read back (or what another check has written since)."""
    cache.set(PROBE, at.timestamp(), timeout=60)
    return bool(cache.get(PROBE, 0) >= at.timestamp() - 5)


def worker_answers(*, at: datetime) -> bool:
    """The worker beat within SILENT_AFTER of `at` (aware), and no task due waits longer than STUCK_AFTER."""
    if "DatabaseBackend" not in settings.TASKS["default"]["BACKEND"]:
        return True  # tasks are run on the spot: there is no worker to ask
    last = cache.get(HEARTBEAT)
    if last is None or at.timestamp() - last > SILENT_AFTER.total_seconds():
        return False
    late = at - STUCK_AFTER
    # A task for « at once » has a date beyond all dates, see DBTaskResultQuerySet.ready().
    due_long_ago = Q(enqueued_at__lt=late) & (Q(run_after__lt=late) | Q(run_after__gt=at))
    return not DBTaskResult.objects.ready().filter(due_long_ago).exists()


@login_not_required
@never_cache
@require_safe
def health(request: HttpRequest) -> JsonResponse:
    """200 when all is well, else 503: {"database": "ok", "cache": "ok", "worker": "silent"}."""
    at = timezone.now()
    checks: dict[str, Callable[[], bool]] = {
        "database": database_answers,
        "cache": lambda: cache_answers(at=at),
        "worker": lambda: worker_answers(at=at),
    }
    answers = {}
    for part, check in checks.items():
        try:
            answers[part] = "ok" if check() else "silent"
        except Exception:  # whatever it is, the answer is « sick », not a page of error
            logger.exception("Health check of the %s failed", part)
            answers[part] = "error"
    sick = set(answers.values()) != {"ok"}
    return JsonResponse(answers, status=503 if sick else 200)
