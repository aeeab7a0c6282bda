"""Logins: a guardian's or an agent's."""

from django.contrib.auth.models import AbstractUser
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils.crypto import salted_hmac

from families import login_names, passwords


class User(AbstractUser):
    """A login: a guardian's or an agent's."""

    email = models.EmailField("adresse e-mail", blank=True)
    session_generation = models.PositiveIntegerField(
        "déconnexions partout",
        default=0,
        editable=False,
        help_text="Compte les « Se déconnecter partout » : les sessions d'une génération passée sont closes.",
    )

    class Meta:
        verbose_name = "compte de connexion"
        verbose_name_plural = "comptes de connexion"
        constraints = [
            models.UniqueConstraint(
                Lower("email"),
                condition=~Q(email=""),
                name="one_account_an_email",
                violation_error_message="Un compte utilise déjà cette adresse e-mail.",
            )
        ]

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
