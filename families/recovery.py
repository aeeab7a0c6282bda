"""« Identifiant ou mot de passe oublié ? »: the letter with the identifiant and a one-time link.

Everything that depends on the address happens in the worker, so that the page answers the same, in the same
time, whether the address is known or not.
"""

from allauth.account.forms import default_token_generator
from allauth.account.models import EmailAddress
from allauth.account.utils import user_pk_to_url_str
from django.conf import settings
from django.db import transaction
from django.urls import reverse
from django_tasks import task

from families import login_names
from families.models import SecurityEvent, User
from families.traces import security
from portal.letters import mailing
from portal.tasks import priorities
from portal.tasks.attempts import whole

RECOVERY = "account/recovery"


def reset_path(user: User) -> str:
    """Where a new password is chosen: once, within PASSWORD_RESET_TIMEOUT seconds."""
    key = default_token_generator.make_token(user)
    return reverse("account_reset_password_from_key", args=[user_pk_to_url_str(user), key])


def reset_url(user: User) -> str:
    """The same as a link."""
    return settings.PORTAL_URL.rstrip("/") + reset_path(user)


@whole
@task(queue_name="mail", priority=priorities.URGENT)
def send_recovery(email: str, network: str = "") -> None:
    """Writes to the account with the address `email`, as it keeps it; or to `email` that it is nobody's.

    To nobody when two accounts could be meant: the desk gives one of them another address. `network` is the
    mark of where it was asked.
    """
    users = [user for user in login_names.having_address(email) if user.is_active]
    known = users[0] if users else None
    security.note(SecurityEvent.Kind.RECOVERY, user=known, login=email, network=network)
    if not users:
        mailing.post("account/unknown_account", [email], {"name": "", "email": email})
    elif len(users) == 1:
        mailing.post_live(RECOVERY, users[0].pk)


def mark_address_proven(user: User) -> None:
    """Whoever followed a link sent to the account's address has shown that the address is theirs."""
    with transaction.atomic():
        address, _ = EmailAddress.objects.get_or_create(
            user=user, email=user.email.lower(), defaults={"primary": True}
        )
        if not address.verified and address.set_verified(commit=False):
            address.set_as_primary()
