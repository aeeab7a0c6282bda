"""The security log: logins, failures, lock-outs, changes of factor. The only writer of `SecurityEvent`."""

from allauth.account.adapter import get_adapter
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import salted_hmac

from families import login_names
from families.models import SecurityEvent, User


def mark(text: str) -> str:
    """Sixteen signs by which the same text is recognised and from which it cannot be read."""
    return salted_hmac("families.security", text, algorithm="sha256").hexdigest()[:16] if text else ""


def note(
    kind: SecurityEvent.Kind,
    *,
    user: User | None = None,
    by: User | None = None,
    request: HttpRequest | None = None,
    login: str = "",
    detail: str = "",
) -> None:
    """Adds a line. `login` is what was typed, `by` who acted where it is somebody else than `user`."""
    SecurityEvent.objects.create(
        at=timezone.now(),
        kind=kind,
        user=user,
        by=by,
        login_mark=mark(login_names.normal_form(login)),
        network_mark=mark(get_adapter().get_client_ip(request) or "") if request else "",
        detail=detail[:200],
    )
