"""The only writer of what is sure to open: what opens only with so many children, decided each night as soon
as it is clear, or before by the town hall. What does not open closes as any other day does, free of charge.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db import transaction
from django.utils import timezone

from families.models import User
from portal.french import moments
from portal.reservations.acts import booking, tasks
from portal.reservations.acts.closing import Closing
from portal.reservations.day_rules import needed
from portal.reservations.day_rules.needed import Becomes
from portal.reservations.days.calendars import OpenDays
from portal.reservations.days.needed import Unsure
from portal.reservations.days.offer import Offer
from portal.reservations.models import (
    Activity,
    Booking,
    Closure,
    Establishment,
    NeededChildren,
    Period,
    Slot,
    SureOpening,
)
from portal.reservations.states import HOLDING, TAKING

NOT_ENOUGH = "Pas assez d'enfants inscrits"
# What is further away is decided later.
AHEAD = timedelta(days=400)
Span = tuple[date, date]


@transaction.atomic
def confirm(
    activity: Activity, place: Establishment, first: date, last: date, *, by: User | None, at: datetime
) -> SureOpening:
    """These days open, whoever comes; the families that are booked there are told. Told again, it changes
    nothing."""
    list(Establishment.objects.select_for_update(no_key=True).filter(pk=place.pk))
    known = SureOpening.objects.filter(
        activity=activity, establishment=place, starts_on__lte=first, ends_on__gte=last
    ).first()
    if known is not None:
        return known
    made = SureOpening.objects.create(
        activity=activity, establishment=place, starts_on=first, ends_on=last, at=at, by=by
    )
    told = Booking.objects.filter(
        activity=activity, establishment=place, state__in=HOLDING, day__range=(first, last)
    ).filter(day__gte=timezone.localdate(at))
    for household, keys in booking.by_household(told.order_by("day", "pk")).items():
        booking.post_after(tasks.tell_sure, household, keys)
    return made


@transaction.atomic
def cancel(activity: Activity, place: Establishment, first: date, last: date, *, at: datetime) -> int:
    """These days do not open: what is booked is cancelled free of charge, and told. How many bookings."""
    today = timezone.localdate(at)
    before = Offer.read(today)
    Closure.objects.create(
        activity=activity, establishment=place, starts_on=first, ends_on=last, label=NOT_ENOUGH
    )
    return Closing.between(before, Offer.read(today), today).close(by=None, at=at)


def decide(*, at: datetime) -> int:
    """What is clear by now: enough children, or too few and no time left. How many days or periods; each in
    its own transaction, so that done twice it changes nothing."""
    today = timezone.localdate(at)
    done = 0
    for activity in Activity.objects.filter(needed_children__isnull=False, active=True).distinct():
        unsure = Unsure.of(activity.pk, today, today + AHEAD)
        for place in activity.establishments.filter(active=True):
            rule = unsure.rule(place.pk)
            if rule is None:
                continue
            days = _children(activity, place, today)
            perhaps: dict[date, set[int]] = {}
            for first, last in _spans(rule, activity, place, days, today):
                if unsure.is_sure(place.pk, max(first, today)):
                    continue
                what = _becomes(_count(days, first, last), rule, first, today)
                if what is Becomes.CANCELLED:
                    perhaps = perhaps or _children(activity, place, today, TAKING)
                    if _becomes(_count(perhaps, first, last), rule, first, today) is Becomes.SURE:
                        what = Becomes.WAITS  # for those who are asked, or who pay
                if what is Becomes.SURE:
                    confirm(activity, place, first, last, by=None, at=at)
                elif what is Becomes.CANCELLED:
                    cancel(activity, place, first, last, at=at)
                done += what is not Becomes.WAITS
    return done


def _count(days: Mapping[date, set[int]], first: date, last: date) -> int:
    return len({child for day, those in days.items() if first <= day <= last for child in those})


def _becomes(have: int, rule: NeededChildren, first: date, today: date) -> Becomes:
    return needed.becomes(have, rule.children, first, rule.days_before, today)


@dataclass(frozen=True)
class Coming:
    """A day or period to come, as the desk shows it."""

    days: str
    place: str
    children: int
    stands: str


SHOWN = 20


def foresee(rule: NeededChildren, *, at: datetime) -> list[Coming]:
    """Where the next days of a rule stand."""
    today = timezone.localdate(at)
    activity = rule.activity
    unsure = Unsure.of(activity.pk, today, today + AHEAD)
    places = [rule.establishment] if rule.establishment else activity.establishments.filter(active=True)
    found: list[Coming] = []
    for place in places:
        days = _children(activity, place, today)
        for first, last in _spans(rule, activity, place, days, today)[:SHOWN]:
            have = _count(days, first, last)
            until = moments.day(needed.decided_on(first, rule.days_before))
            missing = rule.children - have
            stands = f"sous réserve : il en manque {missing}, annulé le {until}"
            if unsure.is_sure(place.pk, first):
                stands = "confirmé"
            elif missing <= 0:
                stands = "assez d'enfants : confirmé cette nuit"
            found.append(Coming(moments.span(first, last, year=True), str(place), have, stands))
    return found


def _children(
    activity: Activity, place: Establishment, today: date, states: Collection[str] = HOLDING
) -> dict[date, set[int]]:
    """By day to come that is open to reservation and that nothing closes: the children who have a place."""
    days: dict[date, set[int]] = {}
    slots = Slot.objects.filter(activity=activity, establishment=place, day__range=(today, today + AHEAD))
    for day in slots.filter(closed=False).order_by().values_list("day", flat=True).distinct():
        days[day] = set()
    calendar = OpenDays.load(activity, place, today, today + AHEAD)
    booked = Booking.objects.filter(
        activity=activity, establishment=place, state__in=states, day__range=(today, today + AHEAD)
    )
    for day, child in booked.order_by().values_list("day", "child"):
        days.setdefault(day, set()).add(child)
    return {day: those for day, those in days.items() if calendar.is_open(day)}


def _spans(
    rule: NeededChildren,
    activity: Activity,
    place: Establishment,
    days: dict[date, set[int]],
    today: date,
) -> list[Span]:
    """What is decided as one: each day, or each period there that has not begun."""
    if rule.per == NeededChildren.Per.DAY:
        return [(day, day) for day in sorted(days)]
    spans: dict[Span, list[date]] = defaultdict(list)
    periods = Period.objects.filter(activity=activity, starts_on__gte=today).prefetch_related(
        "establishments"
    )
    for period in periods:
        if period.concerns(place.pk):
            spans[period.starts_on, period.ends_on] += [
                day for day in days if period.starts_on <= day <= period.ends_on
            ]
    return sorted(span for span, its in spans.items() if its)
