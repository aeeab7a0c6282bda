"""Logins: a guardian's or an agent's."""

from typing import Any, ClassVar

from django.contrib.auth.models import AbstractUser, UserManager
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.utils.crypto import salted_hmac

from families import login_names, passwords
from portal.database.history import History


class RightsHistory(History):
    """Who gave which rights to whom, and who closed an account. A family's login that never had another right
    than its own has no versions."""

    def begins_with(self, instance: models.Model) -> bool:
        return bool(getattr(instance, "is_staff", False) or getattr(instance, "is_superuser", False))


# What an account is called by, and the column that keeps its normal form.
FORMS = {"username": "username_form", "email": "email_form"}


class UserQuerySet(models.QuerySet["User"]):
    """Accounts."""

    def update(self, **values: Any) -> int:
        """Raises ValueError for names: only `save` and `bulk_create` write their normal form with them."""
        if named := FORMS.keys() & values.keys():
            raise ValueError(f"Change {', '.join(sorted(named))} by save(), which keeps the normal form.")
        return super().update(**values)


class AccountManager(UserManager.from_queryset(UserQuerySet)):  # type: ignore[misc]  # a class made at run time
    use_in_migrations = False


class User(AbstractUser):
    """A login: a guardian's or an agent's."""

    email = models.EmailField("adresse e-mail", blank=True)
    # By these accounts are found, and no two have the same. Of those that an earlier version let have the
    # same, all but the oldest say so, until the desk has settled it (families/signing_in/shared_names.py).
    username_form = login_names.NormalForm(of="username", db_default="")
    email_form = login_names.NormalForm(of="email", db_default="")
    username_shared = models.BooleanField(default=False, db_default=False, editable=False)
    email_shared = models.BooleanField(default=False, db_default=False, editable=False)
    session_generation = models.PositiveIntegerField(
        "déconnexions partout",
        default=0,
        editable=False,
        help_text="Compte les « Se déconnecter partout » : les sessions d'une génération passée sont closes.",
    )

    # Read with the login on every request, for who belongs to two households (families/accounts.py).
    several_homes = False

    objects: ClassVar[AccountManager] = AccountManager()
    # Never the password, nor when somebody logged in.
    history = RightsHistory(
        only=["id", "username", "is_staff", "is_superuser", "is_active"],
        m2m_fields=["groups", "user_permissions"],
    )

    class Meta:
        verbose_name = "compte de connexion"
        verbose_name_plural = "comptes de connexion"
        constraints = [
            models.UniqueConstraint(
                fields=["username_form"],
                condition=Q(username_shared=False) & ~Q(username_form=""),
                name="one_account_an_identifiant",
                violation_error_message=login_names.TAKEN_IDENTIFIANT,
            ),
            models.UniqueConstraint(
                fields=["email_form"],
                condition=Q(email_shared=False) & ~Q(email_form=""),
                name="one_account_an_address",
                violation_error_message=login_names.TAKEN_ADDRESS,
            ),
        ]
        indexes = [
            models.Index(fields=["username_form"], name="account_by_identifiant"),
            models.Index(fields=["email_form"], name="account_by_address"),
        ]

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Whoever writes a name alone writes its normal form too."""
        if (only := kwargs.get("update_fields")) is not None:
            kwargs["update_fields"] = {*only, *(FORMS[name] for name in only if name in FORMS)}
        super().save(*args, **kwargs)

    def clean(self) -> None:
        """Names in the form that is kept. Raises ValidationError where another account has them."""
        super().clean()
        wrong = {}
        for name, free in (("username", login_names.free_identifiant), ("email", login_names.free_address)):
            typed = getattr(self, name)
            if typed:
                try:
                    setattr(self, name, free(typed, owner=self))
                except ValidationError as refusal:
                    wrong[name] = refusal
        if wrong:
            raise ValidationError(wrong)

    def set_password(self, raw_password: str | None) -> None:
        super().set_password(raw_password if raw_password is None else passwords.kept_form(raw_password))

    def check_password(self, raw_password: str | None) -> bool:
        """As it is typed, then in the form in which it is kept; a hash of another form is made anew."""
        if raw_password is None:
            return super().check_password(None)
        kept = passwords.kept_form(raw_password)
        if super().check_password(raw_password):
            if raw_password != kept:
                self.set_password(kept)
                self.save(update_fields=["password"])
            return True
        return raw_password != kept and super().check_password(kept)

    def _get_session_auth_hash(self, secret: str | None = None) -> str:
        # Django ends every session whose hash no longer fits: a new password, or a new generation.
        return salted_hmac(
            "families.User.session",
            f"{self.password}:{self.session_generation}",
            secret=secret,
            algorithm="sha256",
        ).hexdigest()
