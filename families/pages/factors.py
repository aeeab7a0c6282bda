"""« Double authentification »: what allauth's own pages lack, said to those who look at them."""

from typing import Any

from allauth.account.utils import get_next_redirect_url
from allauth.mfa.base.views import AuthenticateView, IndexView, ReauthenticateView
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.views import DownloadRecoveryCodesView
from allauth.mfa.totp.views import ActivateTOTPView
from allauth.mfa.webauthn.views import (
    AddWebAuthnView,
    EditWebAuthnView,
    ReauthenticateWebAuthnView,
    RemoveWebAuthnView,
)
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.http.request import split_domain_port, validate_host
from django.shortcuts import get_object_or_404, redirect
from django.utils.http import urlencode

from families.signing_in import factors
from portal.files.handing_over import hand_over

NOT_RECOGNISED = "Cette clé n'a pas été reconnue. Réessayez, ou choisissez un autre moyen."
CODES_FILE, TEXT = "codes-de-secours.txt", "text/plain; charset=utf-8"


def passkeys_here(request: HttpRequest) -> dict[str, Any]:
    """What a page that asks for a passkey says of its own address: browsers know none by a number."""
    numbers = factors.is_address_of_numbers(request)
    named = numbers and validate_host("localhost", settings.ALLOWED_HOSTS)
    port = split_domain_port(request.get_host())[1]
    host = f"localhost:{port}" if port else "localhost"
    here = f"{request.scheme}://{host}{request.get_full_path()}" if named else ""
    return {"by_numbers": numbers, "named_address": here}


class FactorsPage(IndexView):
    """Which factors one has, and how to add one."""

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        mine = list(Authenticator.objects.filter(user=self.request.user).order_by("pk"))
        by_type = {one.type: one for one in mine}
        codes = by_type.get(Authenticator.Type.RECOVERY_CODES)
        return super().get_context_data(**kwargs) | {
            "application": by_type.get(Authenticator.Type.TOTP),
            "passkeys": [one for one in mine if one.type == Authenticator.Type.WEBAUTHN],
            "codes_left": len(codes.wrap().get_unused_codes()) if codes else None,
            "demanded": factors.demanded_of(self.request.user),
        }


class AskFactorPage(AuthenticateView):
    """The factor, after the password."""

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        kinds = set(Authenticator.objects.filter(user=self.stage.login.user).values_list("type", flat=True))
        return (
            super().get_context_data(**kwargs)
            | passkeys_here(self.request)
            | {
                "has_application": Authenticator.Type.TOTP in kinds,
                "has_passkey": Authenticator.Type.WEBAUTHN in kinds,
            }
        )


class CodeAgainPage(ReauthenticateView):
    """A code, before the gravest acts."""


class PasskeyAgainPage(ReauthenticateWebAuthnView):
    """A passkey, before the gravest acts."""

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(**kwargs) | passkeys_here(self.request)

    def form_invalid(self, form: Any) -> HttpResponse:
        """As allauth does, but here: its login page would lead who is logged in to the home page."""
        messages.error(self.request, NOT_RECOGNISED)
        wanted = get_next_redirect_url(self.request) or ""
        return redirect(f"{self.request.path}?{urlencode({REDIRECT_FIELD_NAME: wanted})}")


class AddApplicationPage(ActivateTOTPView):
    """A new application: its picture to scan, its key to copy."""

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context = super().get_context_data(**kwargs)
        secret: str = context["form"].secret
        groups = [secret[start : start + 4] for start in range(0, len(secret), 4)]
        return context | {"secret": " ".join(groups)}

    def form_valid(self, form: Any) -> HttpResponse:
        answer = super().form_valid(form)
        factors.shown(self.request, Authenticator.Type.TOTP)
        return answer


class AddPasskeyPage(AddWebAuthnView):
    """A new passkey, made by the browser."""

    def form_valid(self, form: Any) -> HttpResponse:
        answer = super().form_valid(form)
        factors.shown(self.request, Authenticator.Type.WEBAUTHN)
        return answer

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(**kwargs) | passkeys_here(self.request)


class _OwnPasskey:
    """Somebody else's passkey does not exist: that is said before anything is asked."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        mine = Authenticator.objects.filter(user=request.user, type=Authenticator.Type.WEBAUTHN)
        get_object_or_404(mine, pk=kwargs["pk"])
        answer: HttpResponseBase = super().dispatch(request, *args, **kwargs)  # type: ignore[misc]  # a view's
        return answer


class RenamePasskeyPage(_OwnPasskey, EditWebAuthnView):
    """Another name for a passkey."""


class RemovePasskeyPage(_OwnPasskey, RemoveWebAuthnView):
    """A passkey that serves no more."""


class DownloadCodesPage(DownloadRecoveryCodesView):
    """The recovery codes, to print or to keep."""

    def render_to_response(self, context: dict[str, Any], **kwargs: Any) -> HttpResponse:
        lines = [f"Codes de secours de {self.request.user.username}", "Chacun ne sert qu'une fois.", ""]
        return hand_over("\r\n".join([*lines, *context["unused_codes"], ""]), CODES_FILE, TEXT)
