"""The address given with a new account, until it is confirmed: mistyped, it is corrected in the same browser.

The browser's session says for an hour which account it is. Where the address was another account's none was
made, and the session keeps what was typed, its password as a hash: so both are corrected alike, and the page
does not tell which addresses have an account.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from allauth.account.adapter import get_adapter
from allauth.account.models import EmailAddress
from django.contrib.auth.hashers import make_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.http import HttpRequest
from django.utils.crypto import get_random_string

from families import login_names
from families.models import User

if TYPE_CHECKING:
    from families.forms import SignupForm

FIRST_ADDRESS = "first_address"
# Whoever sits down at a shared computer later corrects nothing; who logs in has an hour again.
KEPT = timedelta(hours=1)
PASSWORDS = ("password1", "password2")


class Confirmed(Exception):
    """It has been confirmed meanwhile, or the account is gone: nothing is left to correct here."""


def wait_for(request: HttpRequest, user: User, *, at: datetime) -> None:
    """`user`, just made or with the right password, may correct the address in this browser."""
    _keep(request, {"user": user.pk, "email": user.email}, at)


def wait_as_if(request: HttpRequest, form: "SignupForm", *, at: datetime) -> None:
    """The same for an account that was not made, since its address is another's."""
    typed = {name: str(value) for name, value in form.data.items() if name not in PASSWORDS}
    kept = {"user": None, "email": form.cleaned_data["email"], "typed": typed, "password": form.kept_hash}
    _keep(request, kept, at)


def _keep(request: HttpRequest, kept: dict[str, Any], at: datetime) -> None:
    request.session[FIRST_ADDRESS] = kept | {"until": (at + KEPT).timestamp()}


def awaited(request: HttpRequest, *, at: datetime) -> str:
    """The address that this browser waits for at the aware moment `at`, or nothing."""
    kept = request.session.get(FIRST_ADDRESS)
    return kept["email"] if kept and kept["until"] > at.timestamp() else ""


def forget(request: HttpRequest) -> None:
    request.session.pop(FIRST_ADDRESS, None)


def correct(
    request: HttpRequest, email: str, make: Callable[[dict[str, Any]], "SignupForm"], *, at: datetime
) -> None:
    """Writes to `email` (as an account keeps it) instead; links sent before are dead.

    `make` makes the form of a new account. Raises Confirmed, and ValidationError where the identifiant was
    taken meanwhile.
    """
    kept = request.session[FIRST_ADDRESS]
    if kept["user"] is None:
        _make(request, kept, make(kept["typed"] | {"email": email} | _secret()), at)
    else:
        make_password(get_random_string(12))  # as long as making an account
        address = _move(kept["user"], email)
        if address is None:
            get_adapter().send_account_already_exists_mail(email)
        else:
            address.send_confirmation(request, signup=True)
        _keep(request, kept | {"email": email}, at)


def _move(pk: int, email: str) -> EmailAddress | None:
    """The account's address from now on; None where another account has it, and this one then has none."""
    with transaction.atomic():
        user = User.objects.select_for_update().filter(pk=pk, last_login=None).first()
        if user is None or EmailAddress.objects.filter(user=user, verified=True).exists():
            raise Confirmed
        # A link is signed for its row: without it, the link opens nothing.
        EmailAddress.objects.filter(user=user).delete()
        try:
            with transaction.atomic():
                user.email = login_names.free_address(email, owner=user)
                user.save(update_fields=["email"])
        except (ValidationError, IntegrityError):
            user.email = ""
            user.save(update_fields=["email"])
            return None
        return EmailAddress.objects.create(user=user, email=user.email, primary=True)


def _secret() -> dict[str, str]:
    """A password that passes for one, until the one that was chosen takes its place."""
    return dict.fromkeys(PASSWORDS, get_random_string(32))


def _make(request: HttpRequest, kept: dict[str, Any], form: "SignupForm", at: datetime) -> None:
    """The account, once its address is nobody's; with the password that was chosen."""
    if not form.is_valid():
        raise ValidationError([error for errors in form.errors.values() for error in errors])
    user, _ = form.try_save(request)
    email = form.cleaned_data["email"]
    if user is None:
        get_adapter().send_account_already_exists_mail(email)
        _keep(request, kept | {"email": email}, at)
        return
    user.password = kept["password"]
    user.save(update_fields=["password"])
    EmailAddress.objects.get(user=user).send_confirmation(request, signup=True)
    wait_for(request, user, at=at)
