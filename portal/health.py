"""Whether the portal lives, for load balancers and monitors; docs/monitoring.md says who asks what.

    /sante/vie/       this process answers; nothing else is asked
    /sante/pret/      it may be given traffic: database, schema, cache
    /sante/           the same, and the worker
    /sante/detail/    figures and French sentences, for who has HEALTH_TOKEN
    /sante/mesures/   the figures, as Prometheus reads them; the same token

The first three are public, and say nothing but « ok » or what part is sick; the cause is in the logs.
"""

import logging
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from functools import wraps

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.core.cache import cache
from django.db import connection
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from portal import measures
from portal.database import clock, versions
from portal.database.kept import KeptAWhile
from portal.tasks import queue, workers

logger = logging.getLogger(__name__)

PROBE = "health-probe"
ALIVE = "/sante/vie/"


def database_answers() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        return bool(cursor.fetchone() == (1,))


def cache_answers(*, at: datetime) -> bool:
    """What is written at `at` can be read back (or what another check has written since)."""
    cache.set(PROBE, at.timestamp(), timeout=60)
    return bool(cache.get(PROBE, 0) >= at.timestamp() - 5)


def worker_answers(*, at: datetime) -> bool:
    """At the database's moment `at` (aware)."""
    return not measures.worker_trouble(queue.facts(at=at), workers.last_seen(), at=at)


@KeptAWhile
def _hindrance() -> str:
    return versions.hindrance(connection)


def schema_is_right() -> bool:
    """The database is of this version, as it was half a minute ago at most."""
    return not _hindrance()


def _answer(checks: dict[str, Callable[[], bool]]) -> JsonResponse:
    answers = {}
    for part, check in checks.items():
        try:
            answers[part] = "ok" if check() else "silent"
        except Exception:  # whatever it is, the answer is « sick », not a page of error
            logger.exception("Health check of the %s failed", part)
            answers[part] = "error"
    sick = set(answers.values()) != {"ok"}
    return JsonResponse(answers, status=503 if sick else 200)


@login_not_required
@never_cache
@require_safe
def health(request: HttpRequest) -> JsonResponse:
    """200 when all is well, else 503: {"database": "ok", "cache": "ok", "worker": "silent"}."""
    at = timezone.now()
    return _answer(
        {
            "database": database_answers,
            "cache": lambda: cache_answers(at=at),
            "worker": lambda: worker_answers(at=clock.now()),
        }
    )


@login_not_required
@never_cache
@require_safe
def alive(request: HttpRequest) -> HttpResponse:
    """Reached where AliveMiddleware is not at work, too."""
    return HttpResponse("ok\n", content_type="text/plain")


class AliveMiddleware:
    """The first of all: whether a process lives depends on no database, no host name and no session."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return alive(request) if request.path_info == ALIVE else self.get_response(request)


@login_not_required
@never_cache
@require_safe
def ready(request: HttpRequest) -> JsonResponse:
    """200 or 503: {"database": "ok", "schema": "silent", "cache": "ok"}. A sick worker takes no page away."""
    at = timezone.now()
    return _answer(
        {
            "database": database_answers,
            "schema": schema_is_right,
            "cache": lambda: cache_answers(at=at),
        }
    )


def _with_the_token(view: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """« Authorization: Bearer HEALTH_TOKEN ». Without a token of the town's there is no such page."""

    @wraps(view)
    def asked(request: HttpRequest) -> HttpResponse:
        if not settings.HEALTH_TOKEN:
            raise Http404
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        if kind.lower() != "bearer" or not constant_time_compare(token.strip(), settings.HEALTH_TOKEN):
            return HttpResponse(
                "401\n", status=401, content_type="text/plain", headers={"WWW-Authenticate": "Bearer"}
            )
        return view(request)

    return asked


@login_not_required
@never_cache
@require_safe
@_with_the_token
def detail(request: HttpRequest) -> HttpResponse:
    """Figures, and `troubles` in French; 503 when there is one."""
    at = timezone.now()
    found = measures.facts(at=at)
    told = measures.troubles(found, at=at)
    return JsonResponse(
        {"troubles": told, "version": versions.version()} | _figures(found, at),
        status=503 if told else 200,
        json_dumps_params={"ensure_ascii": False, "indent": 1},
    )


def _figures(found: measures.Facts, at: datetime) -> dict[str, object]:
    disks = {name: asdict(disk) for name, disk in found.disks.items()}
    if (known := found.known) is None:
        return {"database": "error", "disks": disks}
    tasks = asdict(known.tasks)
    age = tasks.pop("age")
    return {
        "database": "ok",
        "disks": disks,
        "tasks": tasks | {"oldest_seconds": int(age.total_seconds()) if age else 0},
        "worker_seen_at": known.seen,
        "letters_undelivered": known.undelivered,
        "mails_held": known.held,
        "backup": known.backup and {"made_at": known.backup.made_at, "size": known.backup.size},
    }


@login_not_required
@never_cache
@require_safe
@_with_the_token
def for_prometheus(request: HttpRequest) -> HttpResponse:
    at = timezone.now()
    text = measures.prometheus(measures.facts(at=at), at=at)
    return HttpResponse(text, content_type="text/plain; version=0.0.4; charset=utf-8")
