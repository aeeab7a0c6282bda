"""The sessions of one login: which there are, and how they end. The only writer of allauth's rows of them."""

from datetime import datetime
from typing import Any

from allauth.usersessions.models import UserSession
from django.contrib.auth import HASH_SESSION_KEY, update_session_auth_hash
from django.contrib.sessions.models import Session
from django.db.models import F
from django.http import HttpRequest

from families.models import User


def begun(sender: Any, request: HttpRequest, **told: Any) -> None:
    """Receiver of allauth's `user_logged_in`: the session gets its row."""
    UserSession.objects.create_from_request(request)


def of(request: HttpRequest, user: User, at: datetime) -> list[UserSession]:
    """The sessions that who is logged in has open, the one that asks first, then the latest."""
    here = request.session.session_key
    rows = {one.session_key: one for one in UserSession.objects.filter(user=user)}
    if here not in rows:  # opened by an earlier version
        UserSession.objects.create_from_request(request)
        rows[here] = UserSession.objects.get(session_key=here)
    theirs = user.get_session_auth_hash()
    kept = Session.objects.filter(session_key__in=rows, expire_date__gt=at)
    alive = {one.session_key for one in kept if one.get_decoded().get(HASH_SESSION_KEY) == theirs}
    found = [one for key, one in rows.items() if key in alive]
    return sorted(found, key=lambda one: (one.session_key != here, -one.last_seen_at.timestamp()))


def end(user: User, pk: int) -> bool:
    """Ends one of the user's sessions; whether there was one."""
    found = UserSession.objects.filter(user=user, pk=pk).first()
    if found:
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
    Session.objects.filter(session_key__in=keys).delete()
    UserSession.objects.filter(user=user).delete()
    # Sessions of another generation are nobody's: those too that have no row here.
    User.objects.filter(pk=user.pk).update(session_generation=F("session_generation") + 1)


def forget_ended() -> int:
    """Removes the rows of sessions that are over; how many."""
    alive = Session.objects.values("session_key")
    gone: int = UserSession.objects.exclude(session_key__in=alive).delete()[0]
    return gone
