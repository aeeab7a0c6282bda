"""What each guardian wants to be reminded of: chosen on « Mes rappels », stopped from a mail.

Without a choice the usual answer counts: yes where the household has usual days. Which ones have is lent by
the floor that knows days.
"""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime

from django.core import signing
from django.db import transaction

from families.models import Guardian, ReminderChoice
from families.reminders import kinds
from families.reminders.kinds import Kind

SALT = "families.reminders.stop"
# The keys of those of these households that have usual days.
HaveUsualDays = Callable[[Collection[int]], set[int]]
_lent: list[HaveUsualDays] = []


def lend(have_usual_days: HaveUsualDays) -> None:
    _lent[:] = [have_usual_days]


def wanted(guardians: Sequence[Guardian]) -> set[tuple[int, str]]:
    """(guardian, kind) of what each wants; two queries, whatever their number."""
    homes = {guardian.household_id for guardian in guardians}
    usual = {home for asked in _lent for home in asked(homes)} if homes else set()
    rows = ReminderChoice.objects.filter(guardian__in=guardians).values_list("guardian", "kind", "wanted")
    chosen = {(guardian, kind): yes for guardian, kind, yes in rows}
    return {
        (guardian.pk, kind.code)
        for guardian in guardians
        for kind in kinds.all_kinds()
        if chosen.get((guardian.pk, kind.code), guardian.household_id in usual)
    }


def choose(
    guardian: Guardian, codes: Collection[str], *, at: datetime, among: Sequence[Kind] | None = None
) -> None:
    """These kinds and no other one of those that were offered: all, unless `among` says which."""
    with transaction.atomic():
        for kind in kinds.all_kinds() if among is None else among:
            ReminderChoice.objects.update_or_create(
                guardian=guardian,
                kind=kind.code,
                defaults={"wanted": kind.code in codes, "chosen_at": at},
            )


def stop(guardian: Guardian, *, at: datetime) -> None:
    choose(guardian, (), at=at)


# The way from a mail ----------------------------------------------------------------------------------


def token(guardian: Guardian) -> str:
    """Lets whoever holds it stop this guardian's reminders, and nothing else; it holds as long as they do."""
    return signing.dumps(guardian.pk, salt=SALT)


def named_by(text: str) -> Guardian | None:
    """The guardian of a token; None where it was not ours, or they are gone."""
    try:
        key = signing.loads(text, salt=SALT)
    except signing.BadSignature:
        return None
    return Guardian.objects.filter(pk=key).first()
