"""Second factors: an application that counts, passkeys, recovery codes. Who has which, what a session proved.

Authenticators are allauth's rows; a session's records say which of them it was opened with. The same words
and the same limits hold for families, who may have a factor, and for staff, who must.
"""

import ipaddress
from contextlib import suppress
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

from allauth.account.authentication import get_authentication_records
from allauth.account.internal.flows.login import record_authentication
from allauth.core import context
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.db import transaction
from django.http import HttpRequest
from django.http.request import split_domain_port

from families.models import SecurityEvent, User
from families.signing_in import factor_secrets, sessions, tallies
from families.traces import security
from portal import town
from portal.letters import mailing
from portal.web.unanswered import Unanswered

# What a person enrols; recovery codes come with the first of these, and go with the last.
KINDS = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)
NAMES = {
    Authenticator.Type.TOTP: "application d'authentification",
    Authenticator.Type.WEBAUTHN: "clé d'accès",
    Authenticator.Type.RECOVERY_CODES: "codes de secours",
}
# How many codes may be tried within a time: of a million, three are right at a time.
TRIES = {"code": (5, timedelta(minutes=5)), "codes": (20, timedelta(days=1))}


class Standing(Enum):
    """What a session lacks to be one that a factor opened."""

    PROVED, TO_PROVE, TO_SET_UP = range(3)


def standing(request: HttpRequest) -> Standing:
    """Where the session of who is logged in stands. A factor removed since proves nothing any more."""
    user = request.user
    used = [record.get("id") for record in get_authentication_records(request, user) if _by_factor(record)]
    if used and Authenticator.objects.filter(user_id=user.pk, pk__in=used).exists():
        return Standing.PROVED
    return Standing.TO_PROVE if has_factor(user) else Standing.TO_SET_UP


def _by_factor(record: dict[str, Any]) -> bool:
    return record.get("method") == "mfa"


def shown(request: HttpRequest, kind: str) -> None:
    """Who has just enrolled a factor has shown that it works: the session is one that it opened."""
    newest = Authenticator.objects.filter(user_id=request.user.pk, type=kind).latest("pk")
    record_authentication(request, request.user, "mfa", id=newest.pk, type=kind, reauthenticated=True)


def has_factor(user: Any) -> bool:
    return bool(Authenticator.objects.filter(user_id=user.pk, type__in=KINDS).exists())


def asked_at(user: Any) -> str:
    """The name of the page that asks for the factor again: of the passkey where there is nothing to count."""
    counts = Authenticator.objects.filter(user_id=user.pk, type=Authenticator.Type.TOTP).exists()
    return "mfa_reauthenticate" if counts else "mfa_reauthenticate_webauthn"


def remove_all(user: User) -> int:
    """Removes every factor; answers how many a person had enrolled. Its caller says so to them."""
    mine = Authenticator.objects.filter(user=user)
    enrolled: int = mine.filter(type__in=KINDS).count()
    mine.delete()
    return enrolled


def reset(user: User, *, reason: str, by: User | None, request: HttpRequest | None = None) -> None:
    """Removes the factors of who lost them, ends the sessions, notes it and tells the person.

    At the next login a member of staff is led to set one up. `by` is None where the server's keeper does it.
    """
    with transaction.atomic():
        user = User.objects.select_for_update().get(pk=user.pk)
        remove_all(user)
        forget_tries(user)
        sessions.end_all(user)
        security.note(SecurityEvent.Kind.FACTOR_RESET, user=user, by=by, request=request, detail=reason)
        name = (by.get_full_name() or by.username) if by else ""
        mailing.post("account/factor_reset", [user.email], {"name": user.first_name, "by": name})


def take_try(user: User, *, at: datetime) -> bool:
    """Whether one more code may be tried; nobody but the user's own success gives it back.

    allauth's counters hold the host that a request names, and those who ask may name many. What is refused
    for a few minutes does not count for the day.
    """
    for place, (most, window) in TRIES.items():
        try:
            (count,) = tallies.add([tallies.Tally(_counted(user), place, window)], at=at)
        except Unanswered:  # a code of six digits that nobody counts is soon guessed
            return False
        if count.tries > most:
            return False
    return True


def forget_tries(user: User) -> None:
    with suppress(Unanswered):
        tallies.forget(_counted(user))


def _counted(user: User) -> str:
    """Not what counts the account's passwords: a new one gives no new tries of codes."""
    return f"f{user.pk}"


def is_address_of_numbers(request: HttpRequest) -> bool:
    """Whether the page was asked for by an IP address, where browsers know no passkeys."""
    try:
        ipaddress.ip_address(split_domain_port(request.get_host())[0].strip("[]"))
    except ValueError:
        return False
    return True


class FactorAdapter(DefaultMFAAdapter):
    """allauth's second factors, in the portal's words."""

    error_messages = DefaultMFAAdapter.error_messages | {
        "cannot_delete_authenticator": "Ce second facteur ne peut pas être retiré.",
        "cannot_generate_recovery_codes": "Ajoutez d'abord une application ou une clé d'accès.",
        "incorrect_code": "Ce code n'est pas le bon, ou il a déjà servi. Attendez le suivant.",
        "too_many_codes": "Trop de codes essayés. Patientez cinq minutes, ou contactez la mairie.",
        "unverified_email": "Confirmez d'abord votre adresse e-mail.",
    }

    def encrypt(self, text: str) -> str:
        return factor_secrets.encrypt(text)

    def decrypt(self, encrypted_text: str) -> str:
        return factor_secrets.decrypt(encrypted_text)

    def get_totp_issuer(self) -> str:
        return town.current().name

    def get_totp_label(self, user: User) -> str:
        return user.username

    def generate_authenticator_name(self, user: User, type: str) -> str:  # noqa: A002 allauth's word
        had: int = Authenticator.objects.filter(user=user, type=type).count()
        return f"Clé d'accès {had + 1}" if had else "Clé d'accès"

    def get_public_key_credential_rp_entity(self) -> dict[str, str]:
        """The portal, as the browser knows it: by the name it was asked for."""
        return {"id": context.request.get_host().partition(":")[0], "name": town.current().name}

    def get_public_key_credential_user_entity(self, user: User) -> dict[str, Any]:
        return super().get_public_key_credential_user_entity(user) | {
            "name": user.username,
            "display_name": user.get_full_name() or user.username,
        }


def demanded_of(user: Any) -> bool:
    """Whether this login opens nothing without a factor."""
    return bool(settings.STAFF_SECOND_FACTOR and user.is_authenticated and user.is_staff)
