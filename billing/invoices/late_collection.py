"""The only writer of late departures: entered at the desk, corrected, forgiven, and turned into lines of the
next invoice.

What a late evening costs hangs on those before it, so each change counts the child's evenings of the span
anew. What no invoice took yet is put right in its place; what one took is made right by a line more.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from billing.invoices import charged_apart
from billing.models import LateCollection, LateCollectionRule, ManualCharge
from billing.rules import late_collection as rules
from billing.rules.absences import year_start
from families.custody import own
from families.emails import addresses
from families.models import Household, User
from portal.database.kept import KeptAWhile
from portal.french import moments
from portal.letters import mailing
from portal.reservations.models import Activity, Booking, Establishment, SchoolYear
from portal.reservations.presence import attendance

ZERO = Decimal(0)
RIGHT = "billing.add_latecollection"
# What a desk may still enter: an invoice of long ago is no longer made longer.
NOT_BEFORE = attendance.LOOK_BACK


class LateRefused(Exception):
    """The act is refused; the message is the French sentence to show."""


@dataclass
class Noted:
    """What a save did: how many evenings it wrote."""

    written: int = 0
    rows: list[LateCollection] = field(default_factory=list)


@KeptAWhile
def used() -> bool:
    """Whether the town has any such rule: where it has none, no page asks for late evenings."""
    return LateCollectionRule.objects.exists()


def rules_of(activity: int) -> list[LateCollectionRule]:
    return list(LateCollectionRule.objects.filter(activity=activity).order_by("-valid_from"))


def rule_on(known: Collection[LateCollectionRule], day: date) -> LateCollectionRule | None:
    """The one in force: of two, the later one."""
    return next((one for one in known if one.in_force(day)), None)


def expected(establishment: Establishment, activity: Activity, day: date) -> list[Booking]:
    """Of whom a departure may be noted: who is booked there that day."""
    held = Booking.objects.holding().filter(establishment=establishment, activity=activity, day=day)
    rows = held.select_related("child", "household").order_by("child__last_name", "child__first_name", "pk")
    found: dict[int, Booking] = {}
    for row in rows:
        found.setdefault(row.child_id, row)
    return list(found.values())


@transaction.atomic
def note(
    establishment: Establishment,
    activity: Activity,
    day: date,
    departures: Mapping[int, time | None],
    *,
    by: User,
    at: datetime,
) -> Noted:
    """Enters at what time children left (`departures`: by child, None: on time). Said again, it changes
    nothing. Raises LateRefused."""
    today = timezone.localdate(at)
    if day > today:
        raise LateRefused("Ce jour n'est pas encore venu.")
    if day < today - NOT_BEFORE:
        raise LateRefused("Ce jour a plus d'un an : il ne se note plus.")
    known = rules_of(activity.pk)
    if rule_on(known, day) is None:
        raise LateRefused(f"{activity} n'a pas de règle de départ tardif ce jour-là.")
    booked = {one.child_id: one for one in expected(establishment, activity, day)}
    children = sorted(set(departures) & set(booked))
    # Who bills a household, or gives it credit, meanwhile takes its lines as they were, or as they will be.
    earlier = LateCollection.objects.filter(child__in=children, activity=activity, day=day)
    Household.objects.lock(
        {booked[child].household_id for child in children} | set(earlier.values_list("household", flat=True))
    )
    attendance.lock(children)
    there = {row.child_id: row for row in earlier.all()}
    changed = [
        child for child in children if departures[child] != (there[child].left_at if child in there else None)
    ]
    # A list says it of every child: who changes nothing of the own one enters the others.
    homes = {there[child].household_id if child in there else booked[child].household_id for child in changed}
    own.check(by, homes, right=RIGHT, at=at)
    done = Noted()
    for child in changed:
        row, left_at = there.get(child), departures[child]
        row = row or LateCollection(
            household_id=booked[child].household_id, child_id=child, activity=activity, day=day
        )
        row.establishment = establishment
        row.left_at, row.entered_by, row.entered_at = left_at, by, at
        row.save()
        done.written += 1
        done.rows.append(row)
        _settle(child, activity, day, known, told=row.pk)
    return done


@transaction.atomic
def forgive(row: LateCollection, *, reason: str, by: User, at: datetime) -> None:
    """The town hall bills nothing for this evening; it does not count for the next ones either."""
    if not reason.strip():
        raise LateRefused("Indiquez le motif : la famille le lira.")
    own.check(by, [row.household_id], right=RIGHT, at=at)
    Household.objects.lock([row.household_id])
    attendance.lock([row.child_id])
    row = LateCollection.objects.select_related("activity").get(pk=row.pk)
    if row.forgiven:
        raise LateRefused("Ce départ tardif est déjà remis.")
    row.forgiven_reason, row.forgiven_by, row.forgiven_at = reason.strip(), by, at
    row.save()
    _settle(row.child_id, row.activity, row.day, rules_of(row.activity_id), told=row.pk)


def _settle(
    child: int, activity: Activity, day: date, known: Collection[LateCollectionRule], *, told: int
) -> None:
    """Counts the child's evenings around `day` anew, and writes what each of them costs now; writes to the
    family about the row `told`."""
    starts = tuple(SchoolYear.objects.order_by("starts_on").values_list("starts_on", flat=True))
    rows = LateCollection.objects.filter(child=child, activity=activity).filter(_same_span(day, starts))
    before: dict[date, int] = {}
    for row in rows.select_related("child", "household").order_by("day", "pk"):
        found = None
        model = rule_on(known, row.day)
        if model is not None and row.left_at is not None:
            rule = model.rule()
            span = rules.span_start(rule, row.day, starts)
            found = rules.late(rule, row.left_at, before.get(span, 0))
            if found is not None and not row.forgiven:
                before[span] = found.number
        was = (row.minutes, row.number, row.amount, row.words)
        row.minutes, row.number = (found.minutes, found.number) if found else (0, 0)
        row.amount = ZERO if found is None or row.forgiven else found.amount
        row.words = found.words if found else ""
        if (row.minutes, row.number, row.amount, row.words) != was:
            row.save()
        _charge(row, activity)
        if row.pk == told and (found or was[0]):
            _tell(row, activity)
        if found is None and not row.charges.exists():
            row.delete()


def _same_span(day: date, starts: tuple[date, ...]) -> Q:
    """A year around: those of a month are among them."""
    since = year_start(starts, day)
    until = min((one for one in starts if one > day), default=date(since.year + 1, 9, 1))
    return Q(day__gte=min(since, day.replace(day=1)), day__lt=max(until, day)) | Q(day=day)


def _charge(row: LateCollection, activity: Activity) -> None:
    charged_apart.settle(
        ManualCharge.objects.filter(late=row),
        row.amount,
        ManualCharge(
            household_id=row.household_id,
            child_id=row.child_id,
            late=row,
            label=f"{activity} – départ tardif du {moments.day(row.day)}",
            reason=row.words[:300] or "Départ tardif corrigé",
            created_by=row.entered_by,
        ),
        activity=activity.pk,
        more=f", à {moments.hour(row.left_at)}" if row.left_at is not None else "",
    )


def _tell(row: LateCollection, activity: Activity) -> None:
    """The family reads it the same evening: what it costs, or that the next one will."""
    context: dict[str, Any] = {
        "name": "",
        "row": row,
        "child": row.child,
        "activity": str(activity),
        "day": moments.day(row.day, year=True),
    }
    mailing.post("billing/late_collection", addresses(row.household, about=row.child_id), context)
