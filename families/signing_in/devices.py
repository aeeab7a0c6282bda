"""Devices on which an account has logged in before: a signed cookie that says so, and opens nothing.

It holds a random name of the device and a mark for each account (five at most). A mark goes stale with the
account's password and with « Se déconnecter partout ».
"""

from datetime import timedelta

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import get_random_string, salted_hmac

from families.models import User

SALT = "families.devices"
KEPT = timedelta(days=365)
MOST_ACCOUNTS = 5


def _mark(user: User) -> str:
    bound = f"{user.pk}:{user.password}:{user.session_generation}"
    return salted_hmac(SALT, bound, algorithm="sha256").hexdigest()[:16]


def _read(request: HttpRequest) -> tuple[str, list[str]]:
    """The device's name and its marks; ("", []) for a device that is new, or a cookie that is not ours."""
    age = int(KEPT.total_seconds())
    signed = request.get_signed_cookie(settings.DEVICE_COOKIE_NAME, default="", salt=SALT, max_age=age)
    name, *marks = (signed or "").split(".")
    return name, marks


def known(request: HttpRequest, user: User) -> str:
    """The name of the device on which `user` has logged in before, or nothing."""
    name, marks = _read(request)
    return name if _mark(user) in marks else ""


def remember(response: HttpResponse, request: HttpRequest, user: User) -> None:
    """From now on this device is known to `user`."""
    name, marks = _read(request)
    name = name or get_random_string(16)
    others = [mark for mark in marks if mark != _mark(user)]
    response.set_signed_cookie(
        settings.DEVICE_COOKIE_NAME,
        ".".join([name, _mark(user), *others][: MOST_ACCOUNTS + 1]),
        salt=SALT,
        max_age=int(KEPT.total_seconds()),
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )
