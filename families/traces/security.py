"""The security log: logins, failures, lock-outs, changes of factor. The only writer of `SecurityEvent`.

A line costs one INSERT. What strangers can cause is written `MOST_A_MINUTE` times a minute and a kind, beyond
that it is counted in one line: a flood fills no disk, and is seen. Each line goes to the server's log too.
"""

import logging
from datetime import datetime

from allauth.account.adapter import get_adapter
from django.core.exceptions import PermissionDenied
from django.db.models import F
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import salted_hmac

from families import login_names
from families.models import SecurityEvent, User

logger = logging.getLogger("portal.security")

# What nobody has to be logged in for.
BY_STRANGERS = (SecurityEvent.Kind.FAILED, SecurityEvent.Kind.LOCKED, SecurityEvent.Kind.RECOVERY)
MOST_A_MINUTE = 60
THE_REST = "de plus dans la même minute"


def mark(text: str) -> str:
    """Sixteen signs by which the same text is recognised and from which it cannot be read."""
    return salted_hmac("families.security", text, algorithm="sha256").hexdigest()[:16] if text else ""


def network_mark(request: HttpRequest | None) -> str:
    """The mark of the network address that the request comes from, nothing where there is none."""
    if request is None:
        return ""
    try:
        return mark(get_adapter().get_client_ip(request))
    except PermissionDenied:  # allauth's word for an address that it cannot tell
        return ""


def note(
    kind: SecurityEvent.Kind,
    *,
    user: User | None = None,
    by: User | None = None,
    request: HttpRequest | None = None,
    login: str = "",
    network: str = "",
    detail: str = "",
) -> None:
    """Adds a line. `login` is what was typed, `by` who acted where it is somebody else than `user`, `network`
    the mark of where it came from where the request itself is not at hand."""
    at = timezone.now()
    if kind in BY_STRANGERS and _is_full(kind, at):
        _count_in_the_rest(kind, at)
        return
    event = SecurityEvent.objects.create(
        at=at,
        kind=kind,
        user=user,
        by=by,
        login_mark=mark(login_names.normal_form(login)),
        network_mark=network or network_mark(request),
        detail=detail[:200],
    )
    logger.info(
        "%s: account %s, by %s, login %s, network %s",
        event.kind,
        event.user_id or "-",
        event.by_id or "-",
        event.login_mark or "-",
        event.network_mark or "-",
    )


def _minute(at: datetime) -> datetime:
    return at.replace(second=0, microsecond=0)


def _is_full(kind: SecurityEvent.Kind, at: datetime) -> bool:
    of_this_minute = SecurityEvent.objects.filter(at__gte=_minute(at), kind=kind).order_by()
    return of_this_minute[:MOST_A_MINUTE].count() == MOST_A_MINUTE


def _count_in_the_rest(kind: SecurityEvent.Kind, at: datetime) -> None:
    rest = SecurityEvent.objects.filter(at__gte=_minute(at), kind=kind, detail=THE_REST)
    if not rest.update(times=F("times") + 1):
        SecurityEvent.objects.create(at=at, kind=kind, detail=THE_REST)
        logger.warning("%s: more than %s in a minute, the rest is only counted", kind, MOST_A_MINUTE)
