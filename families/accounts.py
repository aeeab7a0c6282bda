"""How django-allauth is fitted to families: letters, sentences, and what an address proves."""

import re
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.auth_backends import AuthenticationBackend
from allauth.account.models import EmailAddress
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import Case, Exists, OuterRef, QuerySet, When
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.crypto import get_random_string

from families import login_names, passwords, which_home
from families.models import SecurityEvent, User
from families.signing_in import asking_again, counters, devices, first_address, letters, waits
from families.traces import security
from portal.database.composed import Composed, Given
from portal.desk import rights
from portal.french import spelling
from portal.letters import mailing
from portal.waiting import inside

WAYS_TO_PROVE = {
    "reauthenticate": "Avec mon mot de passe",
    "mfa_reauthenticate": "Avec un code",
    "mfa_reauthenticate:webauthn": "Avec ma clé d'accès",
}
# Stands in an identifiant for a name that the keyboards of France do not write.
IN_ANOTHER_SCRIPT = "responsable"
WRONG = "Identifiant ou mot de passe incorrect. Vérifiez les deux, puis réessayez."


class AccountBackend(AuthenticationBackend):
    """An identifiant or an address, and a password; accounts are found by `login_names` alone."""

    def authenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        accounts: list[User] | None = None,
        **kwargs: Any,
    ) -> User | None:
        """The account, or None. Somebody unknown costs as many hashes as somebody known.

        `accounts` are those called so, where they have been looked up already.
        """
        if not username or not password:
            return None
        nobody = User()
        nobody.set_unusable_password()
        called = login_names.called(username) if accounts is None else accounts
        for user in called or [nobody]:
            if self._check_password(user, password):
                return user
        return None

    def get_user(self, user_id: Any) -> User | None:
        """As Django does; the same query says whether it is an adult's of several households."""
        found: list[User] = _login(key=user_id)
        user = found[0] if found else None
        return user if user is not None and self.user_can_authenticate(user) else None

    def get_user_permissions(self, user_obj: Any, obj: Any = None) -> set[str]:
        """Rights given to a login past its roles: hardly any has some, as the query that read it knows."""
        if obj is None and not getattr(user_obj, "has_own_rights", True) and not user_obj.is_superuser:
            return set()
        return super().get_user_permissions(user_obj, obj)

    def get_group_permissions(self, user_obj: Any, obj: Any = None) -> set[str]:
        """What roles give, each in the town or at places; Django's own would ask the groups alone."""
        if obj is not None or not user_obj.is_active or user_obj.is_anonymous:
            return set()
        return super().get_group_permissions(user_obj) if user_obj.is_superuser else rights.held_by(user_obj)


@Composed
def _login() -> "QuerySet[Any]":
    own_rights = User.user_permissions.through._default_manager.filter(user=OuterRef("pk"))
    logins: QuerySet[Any] = User.objects.annotate(
        several_homes=which_home.belongs_to_several(),
        # Families have none: they do not pay for the question.
        has_own_rights=Case(When(is_staff=True, then=Exists(own_rights)), default=False),
    )
    return logins.filter(pk=Given("key"))


class AccountAdapter(DefaultAccountAdapter):
    """Accounts of guardians and of staff."""

    error_messages = DefaultAccountAdapter.error_messages | {
        "account_inactive": "Ce compte est désactivé. Contactez la mairie.",
        "username_password_mismatch": WRONG,
        "email_password_mismatch": WRONG,
        "incorrect_password": "Ce mot de passe est incorrect.",
        "enter_current_password": "Ce n'est pas votre mot de passe actuel.",
        "duplicate_email": "C'est déjà l'adresse de votre compte.",
        "username_blacklisted": "Cet identifiant est réservé. Choisissez-en un autre.",
        "invalid_password_reset": "Ce lien n'est plus valable.",
        "rate_limited": "Trop de demandes en peu de temps. Patientez quelques minutes.",
    }

    def authenticate(self, request: HttpRequest, **credentials: Any) -> User | None:
        """The account whose password it is. Raises ValidationError when the next try has to wait.

        Whose the identifiant or the address is, is looked up once, for the counters and for the backend.
        """
        username = credentials.get("username") or credentials.get("email") or ""
        found = super().authenticate(
            request,
            username=username,
            password=credentials.get("password"),
            accounts=login_names.called(username),
        )
        if found:
            counters.take_back(self._try)
        return found

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Counts the try; allauth's own counters are not asked, whose keys hold the request's host."""
        username, accounts = credentials["username"], credentials["accounts"]
        try:
            self._try = counters.begin(request, username, accounts, at=timezone.now())
        except counters.NotCounted as not_counted:
            raise ValidationError(
                "La connexion ne répond pas en ce moment. Réessayez dans une minute.", code="not_counted"
            ) from not_counted
        except counters.TooSoon as too_soon:
            self._note(SecurityEvent.Kind.LOCKED, request, username, accounts)
            raise ValidationError(
                f"Trop d'essais de connexion. Patientez {waits.in_words(too_soon.left)}, "
                "ou demandez un nouveau mot de passe.",
                code="too_many_login_attempts",
            ) from too_soon

    def authentication_failed(self, request: HttpRequest, **credentials: Any) -> None:
        self._note(SecurityEvent.Kind.FAILED, request, credentials["username"], credentials["accounts"])

    def _note(self, kind: SecurityEvent.Kind, request: HttpRequest, login: str, accounts: list[User]) -> None:
        security.note(kind, user=accounts[0] if accounts else None, request=request, login=login)

    def _delete_login_attempts_cached_email(self, request: HttpRequest, **credentials: Any) -> None:
        """allauth's counters are empty; ours are cleared where a new password is noted."""

    def pre_login(self, request: HttpRequest, user: User, **kwargs: Any) -> HttpResponse | None:
        """As allauth does; a place in the line lets one account in, and the gate answers whoever has none."""
        response: HttpResponse | None = super().pre_login(request, user, **kwargs)
        if response is None and not inside.admits(request, user):
            return HttpResponse(status=503)
        return response

    def post_login(self, request: HttpRequest, user: User, **kwargs: Any) -> HttpResponse:
        """As allauth does; the device is known from now on."""
        response = super().post_login(request, user, **kwargs)
        first_address.forget(request)
        devices.remember(response, request, user)
        return response

    def respond_email_verification_sent(self, request: HttpRequest, user: User | None) -> HttpResponse:
        """As allauth does; whoever gave the right password may correct the address, until it is confirmed."""
        if user is not None and user.last_login is None:
            first_address.wait_for(request, user, at=timezone.now())
        return super().respond_email_verification_sent(request, user)

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Sends allauth's letters with the portal's own texts, from templates/emails/account/."""
        name = template_prefix.rpartition("/")[2]
        mailing.post(f"account/{name}", [email], {"name": "", "email": email} | context)

    def is_reauthentication_required(self, *, app: str, **kwargs: Any) -> bool:
        """A login that has just been is a proof, as it is before the gravest acts of the desk."""
        return not asking_again.proved_lately(self.request)

    def get_reauthentication_methods(self, user: User) -> list[dict[str, Any]]:
        ways: list[dict[str, Any]] = super().get_reauthentication_methods(user)
        return [way | {"description": WAYS_TO_PROVE[way["id"]]} for way in ways]

    def send_confirmation_mail(self, request: HttpRequest, emailconfirmation: Any, signup: bool) -> None:
        """A link, to an address that nobody else has; the worker makes it, and it stands nowhere before. Else
        the address's owner is told; nobody, where two could be."""
        address = emailconfirmation.email_address
        others = [user for user in login_names.having_address(address.email) if user != address.user]
        if not others:
            kind = letters.FIRST_CONFIRMATION if signup else letters.CONFIRMATION
            mailing.post_live(kind, address.pk)
        elif len(others) == 1:
            self.send_mail("account/email/address_is_yours", others[0].email, {})

    def send_account_already_exists_mail(self, email: str) -> None:
        """To the address that the account keeps; to nobody when two accounts could be meant."""
        users = login_names.having_address(email)
        if len(users) == 1:
            self.send_mail("account/email/account_already_exists", users[0].email, {})

    def clean_username(self, username: str, shallow: bool = False) -> str:
        """In the form that is kept; `shallow` for a proposal, of which allauth looks up several at once."""
        if not shallow and "@" in username:
            raise ValidationError(
                "Un identifiant ne contient pas de « @ ». "
                "Votre adresse e-mail vous servira aussi à vous connecter."
            )
        name = username if shallow else login_names.free_identifiant(username)
        return super().clean_username(name, shallow=True)

    def generate_unique_username(self, txts: list[str], regex: str | None = None) -> str:
        plain = [re.sub(r"[^a-z0-9.]+", "-", spelling.bare(txt)).strip("-.") for txt in txts]
        name = super().generate_unique_username([one for one in plain if one] or [IN_ANOTHER_SCRIPT], regex)
        while login_names.having_identifiant(name):  # kept by an earlier version, in another spelling
            name = super().generate_unique_username([name + get_random_string(3, "0123456789")], regex)
        return name

    def clean_password(self, password: str, user: User | None = None) -> str:
        """Judged in the form that is kept; comes back as typed, for the comparison with the second field."""
        super().clean_password(passwords.kept_form(password), user)
        return password

    def confirm_email(self, request: HttpRequest, email_address: EmailAddress) -> bool:
        """Refuses, with its sentence, an address that another account took meanwhile."""
        try:
            login_names.free_address(email_address.email, owner=email_address.user)
            with transaction.atomic():
                return super().confirm_email(request, email_address)
        except (ValidationError, IntegrityError):  # of two confirmed at once, the database refuses the second
            failed = "account/messages/email_confirmation_failed.txt"
            self.add_message(request, messages.ERROR, failed, {"email": email_address.email})
            return False

    def get_password_change_redirect_url(self, request: HttpRequest) -> str:
        return reverse("home")
