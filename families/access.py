"""A login for a guardian whom the town hall added to a household."""

from allauth.account.adapter import get_adapter
from django.core.exceptions import ValidationError
from django.db import transaction

from families import emails, login_names
from families.models import Guardian, User


class AccessRefused(Exception):
    """Why no login can be opened. `str()` is a sentence for the agent."""


def open_access(guardian: Guardian, email: str) -> User:
    """Creates the guardian's login and writes to it how to choose a password. Raises AccessRefused."""
    with transaction.atomic():
        guardian = Guardian.objects.select_for_update().get(pk=guardian.pk)
        if guardian.user_id:
            raise AccessRefused(f"{guardian} a déjà un accès au portail.")
        try:
            address = login_names.free_address(email)
        except ValidationError as refusal:
            raise AccessRefused(" ".join(refusal.messages)) from refusal
        user = User(first_name=guardian.first_name, last_name=guardian.last_name, email=address)
        user.username = get_adapter().generate_unique_username(
            [f"{guardian.first_name}.{guardian.last_name}"]
        )
        user.set_unusable_password()
        user.save()
        guardian.user = user
        guardian.save(update_fields=["user"])
        emails.access_opened(guardian, user)
    return user
