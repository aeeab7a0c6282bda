"""What is odd in the security log, in a sentence: many failures, many lock-outs, within ten minutes."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Sum
from django.db.models.functions import TruncMinute

from families.models import SecurityEvent
from portal.french import moments

WITHIN = timedelta(minutes=10)
LOOKED_BACK = timedelta(days=1)
# Whoever looks for a password fails a few times; a morning on which all come fails more, not so much.
FROM = {SecurityEvent.Kind.FAILED: 30, SecurityEvent.Kind.LOCKED: 10}
SAID = {
    SecurityEvent.Kind.FAILED: "échecs de connexion",
    SecurityEvent.Kind.LOCKED: "connexions retenues",
}


@dataclass(frozen=True)
class Oddity:
    """A sentence, and the kind of events that it is about."""

    kind: SecurityEvent.Kind
    sentence: str


def found(*, at: datetime) -> list[Oddity]:
    """What was odd in the day before the aware moment `at`, the worst ten minutes of each kind. One query."""
    minutes = (
        SecurityEvent.objects.filter(at__gt=at - LOOKED_BACK, at__lte=at, kind__in=FROM)
        .order_by()
        .annotate(minute=TruncMinute("at"))
        .values_list("kind", "minute")
        .annotate(many=Sum("times"))
    )
    by_kind: dict[str, list[tuple[datetime, int]]] = {kind: [] for kind in FROM}
    for kind, minute, many in minutes:
        by_kind[kind].append((minute, many))
    odd = []
    for kind, least in FROM.items():
        many, since = worst(by_kind[kind])
        if many >= least and since:
            odd.append(Oddity(kind, f"{many} {SAID[kind]} en dix minutes, {moments.moment(since)}."))
    return odd


def worst(minutes: Iterable[tuple[datetime, int]]) -> tuple[int, datetime | None]:
    """The ten minutes in which most happened, how many and since when. Pure."""
    ordered = sorted(minutes)
    most, since, within, first = 0, None, 0, 0
    for minute, many in ordered:
        within += many
        while ordered[first][0] <= minute - WITHIN:
            within -= ordered[first][1]
            first += 1
        if within > most:
            most, since = within, ordered[first][0]
    return most, since
