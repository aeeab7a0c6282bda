"""What moves when the town changes its clock: limits follow by themselves, written moments do not."""

from collections.abc import Iterator
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from django.db.models import Q
from django.utils import timezone

from portal.french import moments
from portal.reservations.models import Period

OPENS = {"opens_at": "ouvre", "opens_at_non_residents": "ouvre aux autres familles", "closes_at": "se clôt"}


def to_come(at: datetime) -> Iterator[tuple[Period, str]]:
    """The periods with a moment still to come, and which."""
    coming = Q(*((f"{name}__gt", at) for name in OPENS), _connector=Q.OR)
    for period in Period.objects.filter(coming).select_related("activity"):
        for name in OPENS:
            moment = getattr(period, name)
            if moment is not None and moment > at:
                yield period, name


def foresee(old: ZoneInfo, new: ZoneInfo, at: datetime) -> list[str]:
    """A sentence each: the hour that families read stays, and comes earlier or later."""
    said = []
    for period, name in to_come(at):
        with timezone.override(old):
            words = moments.moment(getattr(period, name))
        shift = _same_hour(getattr(period, name), old, new) - getattr(period, name)
        hours = moments.hour((datetime.min.replace(tzinfo=UTC) + abs(shift)).time())
        way = "plus tôt" if shift.total_seconds() < 0 else "plus tard"
        said.append(
            f"{period.activity}, {period.name} : {OPENS[name]} toujours le {words}, soit {hours} {way}."
        )
    return said


def move(old: ZoneInfo, new: ZoneInfo, at: datetime) -> None:
    """Keeps the hours that were written. Must stand in the transaction that changes the town."""
    changed: dict[int, Period] = {}
    for found, name in to_come(at):
        period = changed.setdefault(found.pk, found)
        setattr(period, name, _same_hour(getattr(period, name), old, new))
    for period in changed.values():
        period.save(update_fields=list(OPENS))


def _same_hour(moment: datetime, old: ZoneInfo, new: ZoneInfo) -> datetime:
    return moment.astimezone(old).replace(tzinfo=new)
