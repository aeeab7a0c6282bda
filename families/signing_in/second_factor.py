"""Nobody of the town hall gets past the pages of the second factor before it was set up, and given."""

from collections.abc import Callable
from typing import Any

from django.contrib.auth import REDIRECT_FIELD_NAME
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.http import urlencode

from families.signing_in import factors

# What a session that lacks the factor may do: set it up, give it, leave.
OPEN = {
    "account_logout",
    "account_reauthenticate",
    "admin:logout",
    "families:log_out_everywhere",
    "mfa_activate_totp",
    "mfa_add_webauthn",
    "mfa_index",
    "mfa_reauthenticate",
    "mfa_reauthenticate_webauthn",
}


class SecondFactorMiddleware:
    """Stands after LoginRequiredMiddleware. Does nothing where `settings.STAFF_SECOND_FACTOR` is false.

    All pages behind the login ask for it, not the desk alone: staff read families' papers on theirs.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: Any, args: Any, kwargs: Any) -> HttpResponse | None:
        if not factors.demanded_of(request.user) or not getattr(view, "login_required", True):
            return None
        if request.resolver_match and request.resolver_match.view_name in OPEN:
            return None
        standing = factors.standing(request)
        if standing == factors.Standing.PROVED:
            return None
        if standing == factors.Standing.TO_SET_UP:
            return HttpResponseRedirect(reverse("mfa_index"))
        where = urlencode({REDIRECT_FIELD_NAME: request.get_full_path()})
        return HttpResponseRedirect(f"{reverse(factors.asked_at(request.user))}?{where}")
