"""An account for somebody of the town hall: a name and an address, and a link that is sent there.

Who follows it chooses the password, and at the first login sets up the second factor that staff is asked for.
Nothing of the link is kept: it is signed, and holds until a password is chosen, or another one was sent.
"""

from datetime import datetime, timedelta

from allauth.account.models import EmailAddress
from django.conf import settings
from django.core import signing
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.crypto import constant_time_compare, salted_hmac

from families import login_names
from families.models import SecurityEvent, User
from families.traces import security
from portal.french.spelling import folded
from portal.letters import mailing
from portal.letters.mailing import Letter

INVITATION = "account/staff_invitation"
SALT = "families.staff_invitation"
LASTS = timedelta(days=14)
NAME_LENGTH = 40


def invite(user: User, *, by: User, request: HttpRequest | None = None) -> User:
    """Makes the account of `user`, which has a name and an address and is not saved yet, and writes to it.

    Raises ValidationError where another account has the address.
    """
    with transaction.atomic():
        user.email = login_names.free_address(user.email)
        user.username = _identifiant(user)
        user.is_staff = True
        user.set_unusable_password()
        user.save()
        _send(user, "compte créé, invitation envoyée", by, request)
    return user


def invite_again(user: User, *, by: User, request: HttpRequest | None = None) -> bool:
    """Another link, also to another address: the one before is dead. False where a password was chosen."""
    with transaction.atomic():
        user = User.objects.select_for_update().get(pk=user.pk)
        if not waits(user):
            return False
        user.set_unusable_password()
        user.save(update_fields=["password"])
        _send(user, "invitation envoyée de nouveau", by, request)
    return True


def waits(user: User) -> bool:
    """Whether somebody of the town hall has not opened the account yet."""
    return user.is_staff and user.is_active and user.last_login is None and not user.has_usable_password()


def url(user: User, *, at: datetime) -> str:
    """On the portal's own address: a forged Host header never reaches a letter."""
    token = signing.dumps([user.pk, _stamp(user), int((at + LASTS).timestamp())], salt=SALT)
    return settings.PORTAL_URL.rstrip("/") + reverse("families:staff_invitation", args=[token])


def find(token: str, *, at: datetime) -> User | None:
    """Whose account this link opens; None where it was not ours, or holds no more."""
    try:
        key, stamp, ends = signing.loads(token, salt=SALT)
    except (signing.BadSignature, ValueError, TypeError):
        return None
    user = User.objects.filter(pk=key).first()
    if user is None or not waits(user) or at.timestamp() >= ends:
        return None
    return user if constant_time_compare(_stamp(user), stamp) else None


def inviting(user_id: int) -> Letter | None:
    """Made by the worker as it sends it: nobody else ever holds the link."""
    user = User.objects.filter(pk=user_id).first()
    if user is None or not waits(user):
        return None
    context = {
        "name": user.first_name,
        "username": user.username,
        "url": url(user, at=timezone.now()),
        "days": LASTS.days,
        "second_factor": settings.STAFF_SECOND_FACTOR,
    }
    return Letter(user.email, context)


def _send(user: User, detail: str, by: User, request: HttpRequest | None) -> None:
    # A link is signed for its row: an address that was mistyped keeps none.
    EmailAddress.objects.filter(user=user).exclude(email=user.email).delete()
    EmailAddress.objects.get_or_create(user=user, email=user.email, defaults={"primary": True})
    security.note(SecurityEvent.Kind.RIGHTS, user=user, by=by, request=request, detail=detail)
    mailing.post_live(INVITATION, user.pk)


def _stamp(user: User) -> str:
    """Another one with each password, also with one that opens nothing."""
    return salted_hmac(SALT, user.password, algorithm="sha256").hexdigest()[:32]


def _identifiant(user: User) -> str:
    """« sam.verger », with a number where it is taken."""
    words = folded(f"{user.first_name} {user.last_name}").encode("ascii", "ignore").decode().split()
    name = ".".join(words)[:NAME_LENGTH].strip(".")
    for number in range(1, 1000):
        try:
            return login_names.free_identifiant(f"{name or 'agent'}{number if number > 1 else ''}")
        except ValidationError:
            continue
    raise ValidationError(login_names.TAKEN_IDENTIFIANT)
