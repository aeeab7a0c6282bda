"""How long sessions last: a member of staff's ends when nobody is at it, and at the end of the day.

A session of staff remembers when it was opened and when it was last seen; the latter is written once a minute
at most. Families' sessions last as long as their cookie, which a write would make last longer: when one was
last seen is told by its row in « Mes connexions » alone, to the quarter of an hour.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from allauth.usersessions.models import UserSession
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from portal import town

OPENED_AT, SEEN_AT = "opened_at", "seen_at"
# Why a session was closed, for the page that asks to log in again.
CLOSED = "session_closed"
SEEN_EVERY = timedelta(minutes=1)
TOLD_EVERY = timedelta(minutes=15)
MOST_REMEMBERED = 10_000
# When this process told the row of a family's session: by its key, a moment.
_told: dict[str, float] = {}


def note_opening(sender: Any, request: HttpRequest, user: Any, **kwargs: Any) -> None:
    """Receiver of Django's `user_logged_in`."""
    request.session[OPENED_AT] = request.session[SEEN_AT] = timezone.now().timestamp()


class SessionLifetimeMiddleware:
    """Stands after authentication, before whatever asks to log in."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.user.is_authenticated and request.user.is_staff:
            now = timezone.now().timestamp()
            opened, seen = request.session.get(OPENED_AT), request.session.get(SEEN_AT)
            if opened is None or seen is None:
                # Opened by an earlier version: its time begins now.
                request.session[OPENED_AT] = request.session[SEEN_AT] = now
            elif why := _over(now - opened, now - seen):
                self._close(request, why)
            elif now - seen >= SEEN_EVERY.total_seconds():
                request.session[SEEN_AT] = now
                _tell(request)
        elif request.user.is_authenticated:
            _tell_now_and_then(request)
        return self.get_response(request)

    def _close(self, request: HttpRequest, why: str) -> None:
        """The visitor is nobody from here on; what was being posted stays for the same person."""
        request.session_ended_of = request.user.pk  # type: ignore[attr-defined]  # for `interrupted`
        UserSession.objects.filter(session_key=request.session.session_key).delete()
        logout(request)
        request.session[CLOSED] = why


def _tell(request: HttpRequest) -> None:
    UserSession.objects.filter(session_key=request.session.session_key).update(last_seen_at=timezone.now())


def _tell_now_and_then(request: HttpRequest) -> None:
    """Of a family's session. Each process remembers by itself: what it forgets is told once more."""
    now, key = timezone.now().timestamp(), request.session.session_key or ""
    told = max(_told.get(key, 0.0), request.session.get(OPENED_AT, 0.0))
    if 0 <= now - told < TOLD_EVERY.total_seconds():
        return
    if len(_told) >= MOST_REMEMBERED:
        _told.clear()
    _told[key] = now
    _tell(request)


def _over(open_for: float, idle_for: float) -> str:
    """Why a session of staff is over after so many seconds; empty while it is not."""
    limits = town.current()
    if open_for >= timedelta(hours=limits.staff_session_hours).total_seconds():
        return "day"
    return "idle" if idle_for >= timedelta(minutes=limits.staff_idle_minutes).total_seconds() else ""
