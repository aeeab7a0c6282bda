"""From which day families could use each activity, and what it still wants before they can."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from django.utils import timezone

from portal.french.weekdays import weekdays_in
from portal.reservations.days.deadline_book import DeadlineBook
from portal.reservations.days.offer import Offer
from portal.reservations.deadlines.decisions import Standing
from portal.reservations.models import (
    Activity,
    ActivityDeadline,
    Establishment,
    Formula,
    Period,
    Slot,
)
from portal.reservations.states import Action

# Beyond a year nobody asks when the canteen opens.
LOOKED_AHEAD = timedelta(days=370)
# By activity and day, what somebody above still misses: « son tarif du 4 janvier ».
Wants = Callable[[Mapping[int, date]], Mapping[int, Sequence[str]]]

_wants: list[Wants] = []


def lend(wants: Wants) -> None:
    """For a floor above, which knows what else an activity needs on its first day."""
    _wants.append(wants)


@dataclass
class FirstDay:
    """`day`: the first that a family could reserve now or, where `opens` is said, from that moment on. None:
    `wants` says why. With a day, `wants` is what would still go wrong."""

    activity: Activity
    day: date | None = None
    opens: datetime | None = None
    wants: list[str] = field(default_factory=list)


def find(at: datetime) -> list[FirstDay]:
    """Of each activity that is offered, at an aware moment, in a fixed number of queries."""
    today = timezone.localdate(at)
    offer = Offer.read(today)
    deadlines: dict[int, list[ActivityDeadline]] = defaultdict(list)
    for row in ActivityDeadline.objects.select_related("rule", "last_moment").prefetch_related(
        "rule__windows", "last_moment__windows"
    ):
        deadlines[row.activity_id].append(row)
    opened: dict[tuple[int, int], set[date]] = defaultdict(set)
    ahead = (today, today + LOOKED_AHEAD)
    slots = Slot.objects.filter(day__range=ahead, closed=False, formula=None).order_by()
    for activity, place, day in slots.values_list("activity", "establishment", "day").distinct():
        opened[activity, place].add(day)
    rows = [one for one in offer.rows[Activity].values() if one.active]
    rows.sort(key=lambda one: (one.order, one.name))
    found = [_of(one, offer, deadlines[one.pk], opened, at) for one in rows]
    known = {one.activity.pk: one.day for one in found if one.day}
    for wants in _wants:
        said = wants(known)
        for one in found:
            one.wants += said.get(one.activity.pk, ())
    return found


def _of(
    activity: Activity,
    offer: Offer,
    rows: list[ActivityDeadline],
    opened: Mapping[tuple[int, int], Collection[date]],
    at: datetime,
) -> FirstDay:
    today = timezone.localdate(at)
    formulas = [row for row in offer.rows[Formula].values() if row.activity_id == activity.pk and row.active]
    places = [one for one in activity.establishments.all() if one.active]
    periods = [
        row for row in offer.rows[Period].values() if row.activity_id == activity.pk and row.ends_on >= today
    ]
    wants = []
    if not formulas:
        wants.append("une formule")
    if not places:
        wants.append("un établissement")
    if not activity.weekdays:
        wants.append("ses jours de la semaine")
    if not periods:
        wants.append("une période à venir")
    if wants:
        return FirstDay(activity, wants=wants)
    periods.sort(key=lambda row: (row.starts_on, row.pk))
    books = {period.pk: DeadlineBook(rows, period) for period in periods}
    candidates = sorted(
        (day, place.pk, period.pk)
        for period in periods
        for place in places
        if period.concerns(place.pk)
        for day in opened.get((activity.pk, place.pk), ())
        if period.starts_on <= day <= period.ends_on
    )
    if not candidates:
        return FirstDay(activity, wants=["ses créneaux, à ouvrir sur la page des périodes"])
    formula = min(formulas, key=lambda row: (row.order, row.pk))
    for day, place_pk, period_pk in candidates:
        calendar = offer.calendar(activity.pk, place_pk)
        if not calendar.is_open(day):
            continue
        book, opens = books[period_pk], None
        verdict = book.schedule(formula.pk, Action.BOOK, calendar, at).verdict(day)
        if verdict.standing is Standing.EARLY and (opens := verdict.moment) is not None:
            verdict = book.schedule(formula.pk, Action.BOOK, calendar, opens).verdict(day)
        # What comes late is at best asked for: no day to announce.
        if verdict.standing is Standing.ON_TIME:
            return FirstDay(activity, day, opens)
    return FirstDay(activity, wants=["un jour que l'on puisse encore réserver : ses délais sont passés"])


def weekdays_without_class(
    activity: Activity, place: Establishment, schools: Iterable[Establishment]
) -> list[int]:
    """The days of the week on which an activity of school days opens somewhere although none of the schools
    that come there has class."""
    taught = 0
    for school in schools:
        taught |= school.open_weekdays
    if activity.during != Activity.During.TERM or place.kind == Establishment.Kind.CENTRE or not taught:
        return []
    return weekdays_in(activity.weekdays & place.open_weekdays & ~taught)
