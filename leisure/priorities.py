"""What a town's own criteria read of those who ask, and which criteria an activity has.

order_of(activity) -> OwnOrder | None       kept for half a minute; no query where the town has none
told(asking, lines, criteria, at=…)         the same with what these criteria ask about, and nothing else
declare(household, works, by=…, at=…)       a family says whether its parents work or train
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from families.addresses import Address
from families.models import Household, User
from leisure.criteria import (
    DISABILITY_FIRST,
    DISTRICT_FIRST,
    REGULARS_FIRST,
    WHOLE_WEEKS_FIRST,
    WORK_FIRST,
    Asking,
    Criterion,
    Kind,
    OwnOrder,
)
from leisure.models import ActivityCriterion, PriorityFact, PriorityStreet
from portal.database.history import written_by
from portal.database.kept import KeptAWhile
from portal.reservations.models import Activity, Booking, Enrolment, Period, Slot

# Where a child stands for a week of a centre: the child, the place, the week's Monday.
Week = tuple[int, int, date]


@KeptAWhile
def _orders() -> Mapping[int, OwnOrder]:
    """The own order of each activity (its key) that has one; one query."""
    kinds: dict[int, list[Kind]] = defaultdict(list)
    for activity, kind in ActivityCriterion.objects.order_by("order", "pk").values_list("activity", "kind"):
        kinds[activity].append(Kind(kind))
    return {activity: OwnOrder(tuple(its)) for activity, its in kinds.items()}


@KeptAWhile
def _district() -> Sequence[PriorityStreet]:
    """The streets of the district; one query."""
    return list(PriorityStreet.objects.all())


def forget() -> None:
    _orders.forget()
    _district.forget()


def order_of(activity: Activity | int) -> OwnOrder | None:
    """Who comes first for an activity (or its key), where the town says so."""
    return _orders().get(activity if isinstance(activity, int) else activity.pk)


def said_of(activities: Iterable[Activity]) -> list[tuple[Activity, str]]:
    """What families read of each that has an own order, at the start."""
    return [(one, order.explanation) for one in activities if (order := order_of(one))]


def asks_about_work(activities: Iterable[Activity]) -> bool:
    return any(Kind.WORK in order.kinds for one in activities if (order := order_of(one)))


# What is read of who asks -----------------------------------------------------------------------------------


def told(
    asking: Sequence[Asking], lines: Mapping[int, Any], criteria: Sequence[Criterion], *, at: datetime
) -> list[Asking]:
    """`lines`: by their keys, with their reservation, its household, enrolment and period."""
    wanted = set(criteria)
    found = list(asking)
    if wanted & {WORK_FIRST, DISTRICT_FIRST, DISABILITY_FIRST} and found:
        found = _situations(found, lines, timezone.localdate(at), streets=DISTRICT_FIRST in wanted)
    if REGULARS_FIRST in wanted and found:
        found = _regulars(found, lines)
    if WHOLE_WEEKS_FIRST in wanted and found:
        found = _whole_weeks(found, lines)
    return found


def _situations(
    asking: Sequence[Asking], lines: Mapping[int, Any], today: date, *, streets: bool
) -> list[Asking]:
    """One query."""
    homes = {lines[one.line_id].reservation.household_id for one in asking}
    children = {lines[one.line_id].reservation.child_id for one in asking}
    facts: dict[tuple[str, int], bool] = {}
    rows = PriorityFact.objects.in_force(today).filter(Q(household__in=homes) | Q(child__in=children))
    for kind, household, child, proved in rows.values_list("kind", "household", "child", "proved"):
        # A handicap is the child's, wherever it lives.
        key = (kind, child or household)
        facts[key] = facts.get(key, False) or proved
    district = _district() if streets else []
    found = []
    for one in asking:
        reservation = lines[one.line_id].reservation
        home = reservation.household
        work = facts.get((Kind.WORK, home.pk))
        found.append(
            replace(
                one,
                works=work is not None,
                proved=bool(work),
                disability=(Kind.DISABILITY, reservation.child_id) in facts,
                district=(Kind.DISTRICT, home.pk) in facts or lives_in(home, district),
            )
        )
    return found


def lives_in(home: Household, district: Iterable[PriorityStreet]) -> bool:
    """Whether a household's address is in one of these streets, however they are spelled."""
    address = Address.of(home)
    return any(address.is_within(street=one.street, postcode=one.postcode) for one in district)


def _regulars(asking: Sequence[Asking], lines: Mapping[int, Any]) -> list[Asking]:
    """One query: enrolled, accepted, in another activity of the same school year, on the day."""
    children = {lines[one.line_id].reservation.child_id for one in asking}
    years = {lines[one.line_id].reservation.enrolment.school_year_id for one in asking}
    rows = Enrolment.objects.accepted().filter(child__in=children, school_year__in=years)
    enrolled: dict[tuple[int, int], list[Enrolment]] = defaultdict(list)
    for row in rows:
        enrolled[row.child_id, row.school_year_id].append(row)
    found = []
    for one in asking:
        line = lines[one.line_id]
        own = line.reservation.enrolment
        others = (
            each
            for each in enrolled[own.child_id, own.school_year_id]
            if each.activity_id != own.activity_id
            and each.starts_on <= line.day
            and (each.ends_on is None or line.day <= each.ends_on)
        )
        found.append(replace(one, regular=any(others)))
    return found


def _whole_weeks(asking: Sequence[Asking], lines: Mapping[int, Any]) -> list[Asking]:
    """Two queries: the days on which the centre is open in each week, and those that the child asks for or
    has. Weeks are those of the period: of its first or last one, its days."""
    reservations = [lines[one.line_id].reservation for one in asking]
    spans: dict[int, Period] = {one.period_id: one.period for one in reservations}
    days = (
        min(period.starts_on for period in spans.values()),
        max(period.ends_on for period in spans.values()),
    )
    activities = {period.activity_id for period in spans.values()}
    places = {one.establishment_id for one in reservations}
    slots = Slot.objects.filter(activity__in=activities, establishment__in=places, day__range=days)
    opened: dict[tuple[int, int, date], set[date]] = defaultdict(set)
    for activity, place, day in slots.filter(closed=False).values_list("activity", "establishment", "day"):
        opened[activity, place, _monday(day)].add(day)
    booked: dict[tuple[int, int, int, date], set[date]] = defaultdict(set)
    rows = Booking.objects.live().filter(
        activity__in=activities,
        establishment__in=places,
        child__in={one.child_id for one in reservations},
        day__range=days,
    )
    for child, activity, place, day in rows.values_list("child", "activity", "establishment", "day"):
        booked[child, activity, place, _monday(day)].add(day)

    def whole(child: int, activity: int, place: int, monday: date, period: Period) -> bool:
        wanted = {day for day in opened[activity, place, monday] if period.starts_on <= day <= period.ends_on}
        return bool(wanted) and wanted <= booked[child, activity, place, monday]

    found = []
    for one, of in zip(asking, reservations, strict=True):
        period = spans[of.period_id]
        mondays = _mondays(period.starts_on, period.ends_on)
        its = {
            monday
            for monday in mondays
            if whole(of.child_id, period.activity_id, of.establishment_id, monday, period)
        }
        found.append(replace(one, whole_weeks=len(its), in_whole_week=_monday(lines[one.line_id].day) in its))
    return found


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())


def _mondays(first: date, last: date) -> list[date]:
    start = _monday(first)
    return [start + timedelta(weeks=number) for number in range((last - start).days // 7 + 1)]


# What a family declares -------------------------------------------------------------------------------------


def works_since(household: Household, today: date) -> PriorityFact | None:
    """That its parents work or train, as it stands."""
    rows = PriorityFact.objects.in_force(today).filter(household=household, kind=Kind.WORK)
    return rows.order_by("-proved", "since").first()


@transaction.atomic
def declare(household: Household, *, works: bool, since: date, by: User, at: datetime) -> PriorityFact | None:
    """What the family says holds from `since` on, not proved; what it takes back ends yesterday. What the
    town hall saw proved stays proved."""
    Household.objects.lock([household.pk])
    today = timezone.localdate(at)
    known = works_since(household, today)
    if works and known is None:
        made = PriorityFact(household=household, kind=Kind.WORK, since=since, noted_at=at, noted_by=by)
        written_by(made, by).save()
        return made
    if not works:
        for one in PriorityFact.objects.in_force(today).filter(household=household, kind=Kind.WORK):
            if one.since >= today:
                one.delete()
                continue
            one.until = today - timedelta(days=1)
            written_by(one, by).save()
        return None
    return known
