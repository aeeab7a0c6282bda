"""Addresses that mails no longer reach: the only writer of their mark, on the guardian.

    mark(letter, why, at=…)     nobody is reached at the address of this letter
    passed(letter)              one was taken there
    settle(at=…)                each night: nothing has come back since
    there()                     the guardians whose login's address is marked today

The mark names its address: a login with another one has none, whoever changed it.
"""

from datetime import datetime, timedelta

from django.db.models import Exists, F, OuterRef, QuerySet
from django.utils import timezone

from families.models import Guardian, Letter

# A report of a mail that did not arrive comes within minutes, or after the days that a server tries.
REPORTS_WITHIN = timedelta(days=5)
NONE = {
    "unreached_address": "",
    "unreached_since": None,
    "unreached_why": "",
    "unreached_by_report": False,
}


def mark(letter: int, why: str, *, at: datetime, by_report: bool) -> None:
    """The adult with the address of this letter (its key), in each of their households. The first moment
    stays; the words are the last ones."""
    address = Letter.objects.filter(pk=letter, guardian__isnull=False).values_list("to", flat=True).first()
    if not address:
        return
    rows = Guardian.objects.filter(user__email=address)
    rows.exclude(unreached_address=address).update(unreached_address=address, unreached_since=at)
    rows.update(unreached_why=why[:200], unreached_by_report=by_report)


def passed(letter: int) -> None:
    """A server took the letter. Where mails came back, that proves nothing: a relay takes all."""
    marked = Guardian.objects.exclude(unreached_address="").filter(unreached_by_report=False)
    marked.filter(user__guardians__letters=letter).update(**NONE)


def settle(*, at: datetime) -> int:
    """Takes the mark from who was written to since, of which nothing came back for REPORTS_WITHIN, and from
    who has another address. How many."""
    since = Letter.objects.filter(
        guardian=OuterRef("pk"),
        state=Letter.State.SENT,
        sent_at__gt=OuterRef("unreached_since"),
        sent_at__lt=at - REPORTS_WITHIN,
    )
    failed = Letter.objects.filter(
        guardian=OuterRef("pk"), state=Letter.State.FAILED, posted_at__gt=at - REPORTS_WITHIN
    )
    marked = Guardian.objects.exclude(unreached_address="")
    answered = marked.filter(Exists(since), ~Exists(failed)).values_list("pk", flat=True)
    count = Guardian.objects.filter(pk__in=list(answered)).update(**NONE)
    return count + marked.exclude(user__email=F("unreached_address")).update(**NONE)


def there() -> QuerySet[Guardian]:
    return Guardian.objects.filter(user__email=F("unreached_address")).exclude(unreached_address="")


def said_of(guardian: Guardian) -> str:
    """« ne répond plus depuis le 12/11/2026 : 550 … », of a guardian read with its login; empty where the
    address answers, as far as one knows."""
    address = guardian.unreached_address
    if not address or guardian.user is None or guardian.user.email != address:
        return ""
    since = f"{timezone.localtime(guardian.unreached_since):%d/%m/%Y}" if guardian.unreached_since else ""
    return f"ne répond plus depuis le {since} : {guardian.unreached_why}"
