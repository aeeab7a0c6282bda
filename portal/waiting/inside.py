"""What the portal says to its gate: who is inside, what opens when, how the town looks.

Where a request did not come through the gate (a test's client, `runserver`), nothing of it is done.
"""

import logging
import time
from collections.abc import Callable
from typing import Any

from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from portal.waiting import moments
from portal.waiting.gate import VISIT, Gate, Visit
from portal.waiting.store import Trouble

logger = logging.getLogger(__name__)
FRESH_SECONDS = 20.0
# When this process has told last.
_told: dict[str, float] = {"at": 0.0}


def visit_of(request: HttpRequest) -> Visit | None:
    found = request.META.get(VISIT)
    return found if isinstance(found, Visit) else None


def gate_of(request: HttpRequest) -> Gate | None:
    """The gate that the request came through."""
    visit = visit_of(request)
    return visit.gate if visit is not None else None


def keeps_a_line(request: HttpRequest) -> bool:
    """Whether the server has a waiting room at all."""
    return gate_of(request) is not None


def admits(request: HttpRequest, user: Any) -> bool:
    """Whether an account whose password was right comes in; where it does not, the gate answers instead."""
    visit = visit_of(request)
    return visit is None or visit.gate.admits(visit, str(user.pk), is_staff=user.is_staff)


class InsideMiddleware:
    """Stands where the visitor is known already, and costs no query."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        visit = visit_of(request)
        if visit is None:
            return self.get_response(request)
        before = request.user.pk
        response = self.get_response(request)
        if request.user.is_authenticated:
            visit.user, visit.user_is_staff = str(request.user.pk), request.user.is_staff
            visit.logged_in = before != request.user.pk
        tell_now_and_then(visit.gate)
        return response


def tell_now_and_then(gate: Gate) -> None:
    """What the gate shows and expects, as it is now. Whatever goes wrong, the request is answered."""
    now = time.time()
    if 0 <= now - _told["at"] < FRESH_SECONDS:
        return
    _told["at"] = now
    try:
        tell(gate)
    except (DatabaseError, Trouble) as trouble:
        logger.warning("The gate of the waiting room is told nothing new: %s", trouble)


def tell(gate: Gate) -> None:
    """May raise DatabaseError or Trouble."""
    gate.refresh()
    gate.room.store.write_moments(moments.write(timezone.now()))
