"""What allauth tells of second factors: noted in the security log, told by mail."""

from typing import Any

from allauth.account.adapter import get_adapter
from allauth.mfa import signals
from allauth.mfa.models import Authenticator
from django.http import HttpRequest

from families.models import SecurityEvent, User
from families.signing_in.factors import NAMES
from families.traces import security


def added(request: HttpRequest, user: User, authenticator: Authenticator, **kwargs: Any) -> None:
    _note(SecurityEvent.Kind.FACTOR_ADDED, request, user, authenticator)


def removed(request: HttpRequest, user: User, authenticator: Authenticator, **kwargs: Any) -> None:
    _note(SecurityEvent.Kind.FACTOR_REMOVED, request, user, authenticator)


def renewed(request: HttpRequest, user: User, authenticator: Authenticator, **kwargs: Any) -> None:
    """New recovery codes in the place of others."""
    _note(SecurityEvent.Kind.FACTOR_ADDED, request, user, authenticator)


def used(request: HttpRequest, user: User, authenticator: Authenticator, **kwargs: Any) -> None:
    """A recovery code is gone: its owner is told, who may not have been the one to type it."""
    if authenticator.type == Authenticator.Type.RECOVERY_CODES:
        get_adapter(request).send_notification_mail("mfa/email/recovery_code_used", user)


def refused(request: HttpRequest, user: User, **kwargs: Any) -> None:
    security.note(SecurityEvent.Kind.FAILED, user=user, request=request, detail="double authentification")


def _note(kind: SecurityEvent.Kind, request: HttpRequest, user: User, authenticator: Authenticator) -> None:
    security.note(kind, user=user, request=request, detail=NAMES[authenticator.type])


def listen() -> None:
    """Called once, when the apps are ready."""
    for signal, receiver in (
        (signals.authenticator_added, added),
        (signals.authenticator_removed, removed),
        (signals.authenticator_reset, renewed),
        (signals.authenticator_used, used),
        (signals.authentication_failed, refused),
    ):
        signal.connect(receiver, dispatch_uid=f"families.{receiver.__name__}")
