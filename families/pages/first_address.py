"""« Vérifiez vos messages » after an account was made, and « Corriger mon adresse »."""

from typing import Any

from allauth.core import ratelimit
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from families.forms import CorrectAddressForm, SignupForm
from families.signing_in import first_address


@login_not_required
@never_cache
@require_safe
def verification_sent(request: HttpRequest) -> HttpResponse:
    return render(
        request,
        "account/verification_sent.html",
        {"email": first_address.awaited(request, at=timezone.now())},
    )


def new_account(typed: dict[str, Any]) -> SignupForm:
    return SignupForm(data=typed)


@login_not_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def correct(request: HttpRequest) -> HttpResponse:
    """Only where the session still waits for an address; elsewhere one logs in first."""
    at = timezone.now()
    email = first_address.awaited(request, at=at)
    if not email:
        messages.info(request, "Pour corriger votre adresse, connectez-vous avec votre identifiant.")
        return redirect("account_login")
    form = CorrectAddressForm(request.POST or None, initial={"email": email})
    if request.method == "POST" and form.is_valid():
        key = request.session.session_key or ""
        if not ratelimit.consume(request, action="correct_address", key=key):
            refused: HttpResponse = ratelimit.respond_429(request)
            return refused
        try:
            first_address.correct(request, form.cleaned_data["email"], new_account, at=at)
        except first_address.Confirmed:
            first_address.forget(request)
            messages.info(request, "Votre adresse est déjà confirmée : connectez-vous.")
            return redirect("account_login")
        except ValidationError as refusal:
            form.add_error(None, refusal)
        else:
            return redirect("account_email_verification_sent")
    return render(request, "account/correct_address.html", {"form": form, "email": email})
