"""What the departmental archives must sign before it goes (Code du patrimoine, L212-2 and R212-14).

The night proposes, the Responsable closes the list, prints it and notes the visa; the next night what is on
the list goes, and nothing else. The only writer of `DisposalList`.
"""

from datetime import date, datetime

from django.db import transaction
from django.db.models import Max, Min, QuerySet
from django.utils import timezone

from families.models import DisposalList, User
from families.privacy import retention

State = DisposalList.State


class VisaRefused(Exception):
    """Nothing was written; `str()` says why, in French."""


def unlisted(kind: retention.Kind, at: datetime) -> retention.Rows:
    """Rows that are due and on no list that is still open."""
    (rows,) = retention.due(kind, at)
    open_lists = DisposalList.objects.filter(kind=kind.code).exclude(state=State.DONE)
    return rows.exclude(pk__in={pk for listed in open_lists.values_list("rows", flat=True) for pk in listed})


def propose(kind: retention.Kind, *, at: datetime) -> int:
    """Adds what is due to the kind's open proposal; how many rows were not on a list yet."""
    with transaction.atomic():
        listed = DisposalList.objects.select_for_update().filter(kind=kind.code, state=State.PROPOSED).first()
        found = list(unlisted(kind, at).values_list("pk", flat=True))
        if not found:
            return 0
        row = retention.rule(kind.code)
        listed = listed or DisposalList(kind=kind.code, proposed_at=at)
        listed.label, listed.source = f"{kind.label}, {kind.since}", row.source
        listed.kept_for = retention.in_words(row)
        listed.rows = sorted({*listed.rows, *found})
        listed.count = len(listed.rows)
        listed.first_day, listed.last_day = _span(kind, listed.rows, at)
        listed.save()
    return len(found)


def _span(kind: retention.Kind, rows: list[int], at: datetime) -> tuple[date | None, date | None]:
    (due,) = retention.due(kind, at)
    found = due.filter(pk__in=rows).order_by().aggregate(first=Min(kind.dated_by), last=Max(kind.dated_by))
    return _day(found["first"]), _day(found["last"])


def _day(value: date | datetime | None) -> date | None:
    return timezone.localtime(value).date() if isinstance(value, datetime) else value


def close(listed: DisposalList, *, at: datetime) -> DisposalList:
    """The list as it is sent to the archives: nothing is added any more. Raises VisaRefused."""
    with transaction.atomic():
        row = DisposalList.objects.select_for_update().get(pk=listed.pk)
        if row.state != State.PROPOSED:
            raise VisaRefused("Ce bordereau est déjà arrêté.")
        row.state, row.sent_at = State.SENT, at
        row.save()
    return row


def sign(listed: DisposalList, *, on: date, reference: str, by: User, today: date) -> DisposalList:
    """Notes the archives' visa; the next night removes what is on the list. Raises VisaRefused."""
    if not reference.strip():
        raise VisaRefused("Indiquez la référence du visa.")
    with transaction.atomic():
        row = DisposalList.objects.select_for_update().get(pk=listed.pk)
        if row.state != State.SENT:
            raise VisaRefused("Le visa porte sur un bordereau arrêté, qui n'en a pas encore.")
        if row.sent_at is None or not timezone.localtime(row.sent_at).date() <= on <= today:
            raise VisaRefused("Le visa date d'après l'envoi du bordereau, et d'aujourd'hui au plus tard.")
        row.state, row.visa_on, row.visa_reference, row.visa_noted_by = (
            State.SIGNED,
            on,
            reference.strip(),
            by,
        )
        row.save()
    return row


def signed(kind: retention.Kind) -> QuerySet[DisposalList]:
    return DisposalList.objects.filter(kind=kind.code, state=State.SIGNED)


def carry_out(kind: retention.Kind, *, at: datetime) -> int:
    """Removes what is on signed lists, if it is still there and still over its time."""
    removed = 0
    for listed in signed(kind):
        (rows,) = retention.due(kind, at)
        gone = kind.remove([rows.filter(pk__in=listed.rows)], at)
        # The numbers have done their work: what was there is counted, and no longer pointed at.
        DisposalList.objects.filter(pk=listed.pk).update(state=State.DONE, done_at=at, removed=gone, rows=[])
        removed += gone
    return removed
