"""What moves when the town changes its clock: limits follow by themselves, written moments do not."""

from collections.abc import Iterator
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from django.db.models import Model, Q
from django.utils import timezone

from portal.french import moments
from portal.reservations.models import Period, PeriodOpening

OPENS = {"opens_at": "ouvre", "opens_at_non_residents": "ouvre aux autres familles", "closes_at": "se clôt"}


def to_come(at: datetime) -> Iterator[tuple[Period | PeriodOpening, str]]:
    """The periods, and their openings to audiences of the town, with a moment still to come, and which."""
    coming = Q(*((f"{name}__gt", at) for name in OPENS), _connector=Q.OR)
    for period in Period.objects.filter(coming).select_related("activity"):
        for name in OPENS:
            moment = getattr(period, name)
            if moment is not None and moment > at:
                yield period, name
    apart = PeriodOpening.objects.filter(opens_at__gt=at).select_related("audience", "period__activity")
    for opening in apart:
        yield opening, "opens_at"


def foresee(old: ZoneInfo, new: ZoneInfo, at: datetime) -> list[str]:
    """A sentence each: the hour that families read stays, and comes earlier or later."""
    said = []
    for row, name in to_come(at):
        with timezone.override(old):
            words = moments.moment(getattr(row, name))
        shift = _same_hour(getattr(row, name), old, new) - getattr(row, name)
        hours = moments.hour((datetime.min.replace(tzinfo=UTC) + abs(shift)).time())
        way = "plus tôt" if shift.total_seconds() < 0 else "plus tard"
        period, does = (row, OPENS[name]) if isinstance(row, Period) else (row.period, _opens_to(row))
        said.append(f"{period.activity}, {period.name} : {does} toujours le {words}, soit {hours} {way}.")
    return said


def _opens_to(row: PeriodOpening) -> str:
    return f"ouvre à « {row.audience} »"


def move(old: ZoneInfo, new: ZoneInfo, at: datetime) -> None:
    """Keeps the hours that were written. Must stand in the transaction that changes the town."""
    changed: dict[tuple[type[Model], int], tuple[Period | PeriodOpening, list[str]]] = {}
    for found, name in to_come(at):
        row, names = changed.setdefault((type(found), found.pk), (found, []))
        setattr(row, name, _same_hour(getattr(row, name), old, new))
        names.append(name)
    for row, names in changed.values():
        row.save(update_fields=names)


def _same_hour(moment: datetime, old: ZoneInfo, new: ZoneInfo) -> datetime:
    return moment.astimezone(old).replace(tzinfo=new)
