"""The sessions of one login: which there are, and how they end. The only writer of allauth's rows of them."""

from allauth.usersessions.models import UserSession
from django.contrib.auth import update_session_auth_hash
from django.contrib.sessions.models import Session
from django.db.models import F
from django.http import HttpRequest

from families.models import User


def of(request: HttpRequest) -> list[UserSession]:
    """The sessions that who is logged in has open, the one that asks first, then the latest."""
    if not UserSession.objects.filter(session_key=request.session.session_key).exists():
        UserSession.objects.create_from_request(request)  # opened by an earlier version
    found: list[UserSession] = UserSession.objects.purge_and_list(request.user)
    return sorted(found, key=lambda one: (not one.is_current(), -one.last_seen_at.timestamp()))


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
