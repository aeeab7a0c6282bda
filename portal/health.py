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
from django.http import HttpRequest, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from portal.database import clock
from portal.tasks import queue, workers

logger = logging.getLogger(__name__)

PROBE = "health-probe"
# A task due since so long means that a living worker does not get to its work.
STUCK_AFTER = timedelta(minutes=10)


def database_answers() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        return bool(cursor.fetchone() == (1,))


def cache_answers(*, at: datetime) -> bool:
    """What is written at `at` can be read back (or what another check has written since)."""
    cache.set(PROBE, at.timestamp(), timeout=60)
    return bool(cache.get(PROBE, 0) >= at.timestamp() - 5)


def worker_answers(*, at: datetime) -> bool:
    """A worker beat within SILENT_AFTER of `at` (aware), and no task due waits longer than STUCK_AFTER."""
    if "DatabaseBackend" not in settings.TASKS["default"]["BACKEND"]:
        return True  # tasks are run on the spot: there is no worker to ask
    if not workers.living(at=at).exists():
        return False
    age = queue.facts(at=at).age
    return age is None or age <= STUCK_AFTER


@login_not_required
@never_cache
@require_safe
def health(request: HttpRequest) -> JsonResponse:
    """200 when all is well, else 503: {"database": "ok", "cache": "ok", "worker": "silent"}."""
    at = timezone.now()
    checks: dict[str, Callable[[], bool]] = {
        "database": database_answers,
        "cache": lambda: cache_answers(at=at),
        "worker": lambda: worker_answers(at=clock.now()),
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
