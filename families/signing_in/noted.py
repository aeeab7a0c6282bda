"""What allauth and Django tell of accounts, noted in the security log. Connected when the app is ready."""

from typing import Any

from allauth.account import signals as allauth_signals
from django.contrib.auth import signals as django_signals
from django.http import HttpRequest

from families.models import SecurityEvent, User
from families.signing_in import counters
from families.traces import security


def logged_in(request: HttpRequest, user: User, **told: Any) -> None:
    security.note(SecurityEvent.Kind.LOGIN, user=user, request=request)


def logged_out(request: HttpRequest, user: User | None, **told: Any) -> None:
    if user is not None and user.is_authenticated:
        security.note(SecurityEvent.Kind.LOGOUT, user=user, request=request)


def password_changed(request: HttpRequest, user: User, **told: Any) -> None:
    """Chosen anew, by whoever knew the old one or had the letter: wrong tries are forgotten."""
    counters.clear(user)
    security.note(SecurityEvent.Kind.PASSWORD, user=user, request=request)


def address_changed(request: HttpRequest, user: User, from_email_address: Any, **told: Any) -> None:
    """Another one than before; the first one's confirmation is none."""
    if from_email_address is not None:
        security.note(SecurityEvent.Kind.ADDRESS, user=user, request=request)


def connect() -> None:
    allauth_signals.user_logged_in.connect(logged_in, dispatch_uid="families.noted")
    django_signals.user_logged_out.connect(logged_out, dispatch_uid="families.noted")
    for told in ("password_changed", "password_set", "password_reset"):
        getattr(allauth_signals, told).connect(password_changed, dispatch_uid=f"families.noted.{told}")
    allauth_signals.email_changed.connect(address_changed, dispatch_uid="families.noted")
