"""How django-allauth is fitted to families: letters, sentences, and what an address proves."""

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.models import EmailAddress
from django.conf import settings
from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest
from django.urls import reverse

from families.models import User
from portal.letters import mailing

WRONG = "Identifiant ou mot de passe incorrect. Vérifiez les deux, puis réessayez."


class AccountAdapter(DefaultAccountAdapter):
    """Accounts of guardians and of staff."""

    error_messages = DefaultAccountAdapter.error_messages | {
        "account_inactive": "Ce compte est désactivé. Contactez la mairie.",
        "username_password_mismatch": WRONG,
        "email_password_mismatch": WRONG,
        "incorrect_password": "Ce mot de passe est incorrect.",
        "enter_current_password": "Ce n'est pas votre mot de passe actuel.",
        "too_many_login_attempts": (
            "Trop d'essais de connexion. Patientez cinq minutes, ou demandez un nouveau mot de passe."
        ),
        "duplicate_email": "C'est déjà l'adresse de votre compte.",
        "username_taken": "Cet identifiant est déjà pris. Choisissez-en un autre.",
        "username_blacklisted": "Cet identifiant est réservé. Choisissez-en un autre.",
        "invalid_password_reset": "Ce lien n'est plus valable.",
        "rate_limited": "Trop de demandes en peu de temps. Patientez quelques minutes.",
    }

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Sends allauth's letters with the portal's own texts, from templates/emails/account/."""
        name = template_prefix.removeprefix("account/email/")
        mailing.post(f"account/{name}", [email], {"name": "", "email": email} | context)

    def get_email_confirmation_url(self, request: HttpRequest, emailconfirmation: Any) -> str:
        """On the portal's own address: a forged Host header never reaches a letter."""
        return settings.PORTAL_URL.rstrip("/") + reverse(
            "account_confirm_email", args=[emailconfirmation.key]
        )

    def confirm_email(self, request: HttpRequest, email_address: EmailAddress) -> bool:
        """Refuses, with its sentence, an address that another account took meanwhile."""
        with transaction.atomic():
            # The lock queues two confirmations of one address, where the database can.
            others = User.objects.select_for_update().filter(email__iexact=email_address.email)
            if others.exclude(pk=email_address.user_id).exists():
                failed = "account/messages/email_confirmation_failed.txt"
                self.add_message(request, messages.ERROR, failed, {"email": email_address.email})
                return False
            return super().confirm_email(request, email_address)

    def get_password_change_redirect_url(self, request: HttpRequest) -> str:
        return reverse("home")
