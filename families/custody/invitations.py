"""The link of an invitation: who holds it has the mail that was sent to the address invited.

Nothing of it is kept. It is signed, names one invitation and the moment at which that ends: sent again, only
the last link holds; used, withdrawn or late, none does.
"""

from datetime import datetime

from django.conf import settings
from django.core import signing
from django.urls import reverse

from families.models import AccessOpening

SALT = "families.invitation"


def url(opening: AccessOpening) -> str:
    """On the portal's own address: a forged Host header never reaches a letter."""
    token = signing.dumps([opening.pk, _ends(opening)], salt=SALT)
    return settings.PORTAL_URL.rstrip("/") + reverse("families:invitation", args=[token])


def find(token: str, *, at: datetime) -> AccessOpening | None:
    """The invitation of this link; None where it was not ours, or holds no more."""
    try:
        key, ends = signing.loads(token, salt=SALT)
    except (signing.BadSignature, ValueError, TypeError):
        return None
    opening = AccessOpening.objects.select_related("guardian", "household").filter(pk=key).first()
    if opening is None or not is_open(opening, at=at) or _ends(opening) != ends:
        return None
    return opening


def is_open(opening: AccessOpening, *, at: datetime) -> bool:
    """Whether the person invited may still say yes."""
    return (
        opening.waits
        and opening.agreed_at is None
        and opening.expires_at is not None
        and at < opening.expires_at
    )


def _ends(opening: AccessOpening) -> int:
    return int(opening.expires_at.timestamp()) if opening.expires_at else 0
