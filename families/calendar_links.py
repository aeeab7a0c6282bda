"""The only writer of calendar links: a secret address a guardian, made, replaced, removed, and found again.

Of its token only the hash is kept, so that no copy of the database opens a calendar. 256 random bits need no
slow hash and no limit on guesses: an unknown address costs one look-up, less than counting it would.
"""

import hashlib
import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Case, F, Q, Value, When

from families.models import CalendarLink, Child, Guardian

TOKEN_BYTES = 32
# Programs ask a few times an hour, and a household has several of them.
READS_AN_HOUR = 120


class PageIsOld(Exception):
    """The address was made or replaced since the page was shown: nothing was written."""


def of(guardian: Guardian) -> CalendarLink | None:
    return CalendarLink.objects.filter(guardian=guardian).first()


@transaction.atomic
def make(guardian: Guardian, *, replaces: str, at: datetime) -> str:
    """A new address for the guardian; the token is told here, once, and known to nobody afterwards.

    `replaces` is the `version` of the link that the page showed, empty for none. What the link shows stays
    as it was. Raises PageIsOld where another page was first, or the same one is sent twice.
    """
    Guardian.objects.select_for_update(no_key=True).get(pk=guardian.pk)
    link = of(guardian)
    if (link.version if link else "") != replaces:
        raise PageIsOld
    token = secrets.token_urlsafe(TOKEN_BYTES)
    new = {"token_hash": _hash(token), "made_at": at, "reads": 0, "reads_since": None}
    CalendarLink.objects.update_or_create(guardian=guardian, defaults=new)
    return token


def remove(guardian: Guardian) -> bool:
    """Closes the address; False where there was none."""
    gone, _ = CalendarLink.objects.filter(guardian=guardian).delete()
    return bool(gone)


@transaction.atomic
def choose(
    link: CalendarLink, *, hidden_children: Iterable[Child], hidden_services: Iterable[str], closures: bool
) -> None:
    """What the address shows from now on; the address stays."""
    link.hidden_services = sorted(hidden_services)
    link.shows_closures = closures
    link.save(update_fields=["hidden_services", "shows_closures"])
    link.hidden_children.set(hidden_children)


def find(token: str) -> CalendarLink | None:
    """The link of this address, with its guardian and their login, as long as they may log in."""
    return (
        CalendarLink.objects.filter(
            token_hash=_hash(token),
            guardian__user__is_active=True,
            guardian__household__erased_at=None,
        )
        .select_related("guardian__user", "guardian__household")
        .first()
    )


def count_reading(link: CalendarLink, *, at: datetime) -> bool:
    """Counts one more; False beyond what programs that work ask for. One query."""
    over = Q(reads_since=None) | Q(reads_since__lte=at - timedelta(hours=1))
    counted = CalendarLink.objects.filter(over | Q(reads__lt=READS_AN_HOUR), pk=link.pk).update(
        reads=Case(When(over, then=Value(1)), default=F("reads") + 1),
        reads_since=Case(When(over, then=Value(at)), default=F("reads_since")),
    )
    return bool(counted)


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
