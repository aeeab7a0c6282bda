"""Letters with a link that opens an account: the worker makes them as it sends them (see `mailing`)."""

from allauth.account.models import EmailAddress, EmailConfirmationHMAC
from django.conf import settings
from django.urls import reverse

from families import recovery
from families.models import User
from families.signing_in import inviting
from portal.letters import mailing
from portal.letters.mailing import Letter

CONFIRMATION = "account/email_confirmation"
FIRST_CONFIRMATION = "account/email_confirmation_signup"


def recovering(user_id: int) -> Letter | None:
    """The identifiant, and a link to choose a new password."""
    user = User.objects.filter(pk=user_id, is_active=True).first()
    if user is None:
        return None
    context = {
        "name": "",
        "username": user.username,
        "url": recovery.reset_url(user),
        "minutes": settings.PASSWORD_RESET_TIMEOUT // 60,
    }
    return Letter(user.email, context)


def confirming(address_id: int) -> Letter | None:
    """A link that proves an address, unless it is proven meanwhile."""
    address = EmailAddress.objects.select_related("user").filter(pk=address_id, verified=False).first()
    if address is None:
        return None
    context = {
        "name": "",
        "user": address.user,
        "activate_url": confirmation_url(EmailConfirmationHMAC(address).key),
    }
    return Letter(address.email, context)


def confirmation_url(key: str) -> str:
    """On the portal's own address: a forged Host header never reaches a letter."""
    return settings.PORTAL_URL.rstrip("/") + reverse("account_confirm_email", args=[key])


def make_them() -> None:
    """When the apps are ready."""
    mailing.make_live(recovery.RECOVERY, recovering)
    mailing.make_live(inviting.INVITATION, inviting.inviting)
    mailing.make_live(CONFIRMATION, confirming)
    mailing.make_live(FIRST_CONFIRMATION, confirming)
