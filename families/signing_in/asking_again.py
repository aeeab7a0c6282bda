"""The password or the factor again, before what a session left open must not be able to do."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from allauth.account.internal.flows.reauthentication import did_recently_reauthenticate
from allauth.core.exceptions import ReauthenticationRequired
from django.conf import settings
from django.http import HttpRequest, HttpResponseBase


def ask_again(request: HttpRequest) -> None:
    """Raises ReauthenticationRequired unless who is logged in proved it within the last quarter of an hour.

    allauth's middleware then leads to the page that asks, and back; what was posted is posted again after it.
    """
    if settings.ASK_AGAIN and not did_recently_reauthenticate(request):
        raise ReauthenticationRequired


def asks_again(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """A view before which `ask_again` asks."""

    @wraps(view)
    def asking(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        ask_again(request)
        return view(request, *args, **kwargs)

    return asking
