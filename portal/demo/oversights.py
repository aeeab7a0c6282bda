"""The demo's oversights: two absences without a word of a child of `voisin`, who is warned; three of another
child, of whom the agent may decide."""

from datetime import datetime

from django.utils import timezone

from portal.demo.people import People
from portal.reservations.models import AttendanceState, Booking, OversightRule
from portal.reservations.presence import attendance

WARNED, ENOUGH = 2, 3


def forget(at: datetime, people: People) -> None:
    """The last days that have come of a child of each."""
    rule = OversightRule.objects.select_related("activity").first()
    if rule is None:
        return
    past = Booking.objects.holding().filter(
        activity=rule.activity, day__lt=timezone.localdate(at), attendance=None
    )
    neighbour = people.neighbour.household
    others = past.exclude(household__in=[neighbour.pk, people.parent.household.pk]).order_by("-day", "pk")
    _miss(past.filter(household=neighbour).order_by("-day", "pk").first(), WARNED, at, people)
    _miss(others.first(), ENOUGH, at, people)


def _miss(last: Booking | None, days: int, at: datetime, people: People) -> None:
    if last is None:
        return
    same = Booking.objects.holding().filter(
        child=last.child_id, household=last.household_id, activity=last.activity_id, day__lte=last.day
    )
    for one in same.order_by("-day", "pk").select_related("establishment", "formula")[:days]:
        absent = {one.pk: attendance.Said(AttendanceState.ABSENT)}
        attendance.record(one.establishment, one.formula, one.day, absent, by=people.agent, at=at)
