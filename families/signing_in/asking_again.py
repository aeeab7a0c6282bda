"""The password or the factor again, before what a session left open must not be able to do.

Who logged in within the last quarter of an hour has just proved it; who did not is led to « Confirmer mon
identité », and back. What was posted is posted again after it: but for files and passwords, which a session
does not keep.
"""

import time
from collections.abc import Callable, Collection
from functools import wraps
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from allauth.account.adapter import get_adapter
from allauth.account.authentication import get_authentication_records
from allauth.account.internal.flows.reauthentication import STATE_SESSION_KEY, get_reauthentication_flows
from allauth.account.utils import get_next_redirect_url
from allauth.core.exceptions import ImmediateHttpResponse
from django.conf import settings
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import urlencode

from portal.database.encrypted import keys
from portal.database.field_keys import CannotRead
from portal.desk.site import DeskAdmin, M
from portal.web.interrupted import NEVER_KEPT

# Where allauth finds what to do once somebody has proved who he is.
CALLBACK = "families.signing_in.asking_again.go_on"
LARGEST_CHARACTERS = 500_000  # thousands of rows ticked in a list

View = TypeVar("View", bound=Callable[..., Any])


def proved_lately(request: HttpRequest) -> bool:
    """Whether who is logged in gave a password or a factor within `ACCOUNT_REAUTHENTICATION_TIMEOUT`."""
    given = [record["at"] for record in get_authentication_records(request, request.user)]
    if given and time.time() - max(given) < settings.ACCOUNT_REAUTHENTICATION_TIMEOUT:
        return True
    # Who has neither cannot be asked.
    return not get_reauthentication_flows(request.user)


def ask_again(request: HttpRequest) -> None:
    """Goes no further unless who is logged in has `proved_lately`: raises the answer that asks.

    To be called in a view, before anything is written. Does nothing where `settings.ASK_AGAIN` is false.
    """
    if settings.ASK_AGAIN and not proved_lately(request):
        raise ImmediateHttpResponse(_asking(request))


def _asking(request: HttpRequest) -> HttpResponse:
    """Leads to the page that asks; what was posted waits in the session."""
    where = request.get_full_path()
    request.session.pop(STATE_SESSION_KEY, None)
    if request.method == "POST":
        fields = request.POST.copy()
        for name in [name for name in fields if any(word in name.lower() for word in NEVER_KEPT)]:
            del fields[name]
        if len(posted := fields.urlencode()) <= LARGEST_CHARACTERS:
            state = {
                "where": where,
                # It may be a health note or an account's number: no table keeps it in clear.
                "fields": keys().encrypt(posted),
                "of": request.user.pk,
            }
            request.session[STATE_SESSION_KEY] = {"state": state, "callback": CALLBACK}
    ways = get_adapter().get_reauthentication_methods(request.user)
    return HttpResponseRedirect(f"{ways[0]['url']}?{urlencode({REDIRECT_FIELD_NAME: where})}")


def go_on(request: HttpRequest, state: dict[str, Any]) -> HttpResponse:
    """A page that posts again what waited, where the page that asked leads back to it.

    allauth calls it after the proof. The browser posts, by itself where scripts run: so that who may do what
    is asked as ever, and that what comes next stands at its own address.
    """
    where: str = state["where"]
    wanted = get_next_redirect_url(request)
    if wanted != where or state["of"] != request.user.pk:
        return HttpResponseRedirect(wanted or reverse(settings.LOGIN_REDIRECT_URL))
    try:
        fields = keys().decrypt(state["fields"])
    except CannotRead:  # the server has another key since
        return HttpResponseRedirect(where)
    context = {"where": where, "fields": parse_qsl(fields, keep_blank_values=True)}
    return render(request, "account/go_on.html", context)


def asks_again(view: View) -> View:
    """A view, an action or a page of the desk before which `ask_again` asks."""

    @wraps(view)
    def asking(*args: Any, **kwargs: Any) -> Any:
        ask_again(next(given for given in args if isinstance(given, HttpRequest)))
        return view(*args, **kwargs)

    return asking  # type: ignore[return-value]  # the same function, asked for more


class AsksAgain(DeskAdmin[M]):
    """Pages of the desk that ask again before Django's own « add », « change » and « delete ».

    An action and a page of one's own say `@asks_again` themselves.
    """

    asks_again_for: Collection[str] = ("add", "change", "delete")

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        if ("add" if object_id is None else "change") in self.asks_again_for:
            ask_again(request)
        return super().changeform_view(request, object_id, form_url, extra_context)

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if "delete" in self.asks_again_for:
            ask_again(request)
        return super().delete_view(request, object_id, extra_context)

    def response_action(
        self, request: HttpRequest, queryset: QuerySet[M], *args: Any, **kwargs: Any
    ) -> HttpResponse | None:
        if "delete" in self.asks_again_for and request.POST.get("action") == "delete_selected":
            ask_again(request)
        return super().response_action(request, queryset, *args, **kwargs)
