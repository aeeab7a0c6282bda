"""The sessions of one login: which there are, and how they end. The only writer of allauth's rows of them.

The rows are in the database, whatever keeps the sessions themselves (`settings.SESSION_ENGINE`).
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from importlib import import_module
from typing import Any

from allauth.account.adapter import get_adapter
from allauth.core.internal.httpkit import HTTP_USER_AGENT_MAX_LENGTH
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.auth import HASH_SESSION_KEY, update_session_auth_hash
from django.db.models import F
from django.http import HttpRequest

from families.models import User
from portal.web.table_sessions import SessionStore
from portal.web.unanswered import strictly

# How many keys are asked about in one question.
AT_ONCE = 500


def begun(sender: Any, request: HttpRequest, **told: Any) -> None:
    """Receiver of allauth's `user_logged_in`: the session gets its row."""
    session: Any = request.session
    if not getattr(session, "unwritten", False):
        UserSession.objects.create_from_request(request)
        return
    # Its key is of this request, so there is no row yet: allauth's own looks, in a transaction.
    UserSession.objects.create(
        user=request.user,
        ip=get_adapter().get_client_ip(request),
        user_agent=request.headers.get("User-Agent", "")[:HTTP_USER_AGENT_MAX_LENGTH],
        session_key=session.session_key,
    )


def of(request: HttpRequest, user: User, at: datetime) -> list[UserSession]:
    """The sessions that who is logged in has open, the one that asks first, then the latest."""
    here = request.session.session_key
    rows = {one.session_key: one for one in UserSession.objects.filter(user=user)}
    if here not in rows:  # opened by an earlier version
        UserSession.objects.create_from_request(request)
        rows[here] = UserSession.objects.get(session_key=here)
    theirs = user.get_session_auth_hash()
    opened = _store().opened(rows)
    alive: set[str | None] = {key for key, data in opened.items() if data.get(HASH_SESSION_KEY) == theirs}
    # The one that asks is open, whatever its store answers.
    alive |= {here}
    found = [one for key, one in rows.items() if key in alive]
    return sorted(found, key=lambda one: (one.session_key != here, -one.last_seen_at.timestamp()))


def end(user: User, pk: int) -> bool:
    """Ends one of the user's sessions; whether there was one. Raises Unanswered where what keeps it cannot be
    told now: `end_others` can be, always."""
    found = UserSession.objects.filter(user=user, pk=pk).first()
    if found:
        with strictly():
            found.end()
    return bool(found)


def end_others(request: HttpRequest, user: User) -> None:
    """Ends all sessions but the one that asks: those that no row tells of too."""
    end_all(user)
    user.refresh_from_db(fields=["session_generation"])
    update_session_auth_hash(request, user)
    UserSession.objects.create_from_request(request)


def end_all(user: User) -> None:
    """Ends every session of a user."""
    keys = list(UserSession.objects.filter(user=user).values_list("session_key", flat=True))
    _store().end(keys)
    UserSession.objects.filter(user=user).delete()
    # Sessions of another generation are nobody's: those too that have no row here.
    User.objects.filter(pk=user.pk).update(session_generation=F("session_generation") + 1)


def forget_ended() -> int:
    """Removes the rows of sessions that are over; how many."""
    gone = 0
    keys = UserSession.objects.order_by("pk").values_list("session_key", flat=True)
    for some in _in_lots(list(keys)):
        over = set(some) - _store().known(some)
        gone += UserSession.objects.filter(session_key__in=over).delete()[0]
    return gone


def _in_lots(keys: Sequence[str]) -> Iterator[Sequence[str]]:
    return (keys[first : first + AT_ONCE] for first in range(0, len(keys), AT_ONCE))


def _store() -> type[SessionStore]:
    """Read each time: a test, or a portal that gets a Redis, changes it."""
    store: type[SessionStore] = import_module(settings.SESSION_ENGINE).SessionStore
    return store
