"""The demo's late departures: one of the family's children was collected after closing twice this month, a
warning first, then a line of the next invoice."""

from datetime import datetime, time

from django.utils import timezone

from billing.invoices import late_collection
from billing.models import LateCollectionRule
from portal.demo.people import People
from portal.reservations.models import Booking

LEFT_AT = (time(18, 41), time(18, 52))


def collected_late(at: datetime, people: People) -> None:
    """The last two evenings that have come of one child of the first home with any."""
    rule = LateCollectionRule.objects.select_related("activity").first()
    if rule is None:
        return
    past = Booking.objects.holding().filter(activity=rule.activity, day__lt=timezone.localdate(at))
    theirs = past.filter(household__guardians__user__username="parent")
    last = theirs.order_by("-day").first() or past.order_by("-day", "pk").first()
    if last is None:
        return
    evenings = past.filter(child=last.child_id, household=last.household_id).order_by("-day")[: len(LEFT_AT)]
    for booking, left_at in zip(reversed(evenings), LEFT_AT, strict=False):
        late_collection.note(
            booking.establishment,
            rule.activity,
            booking.day,
            {booking.child_id: left_at},
            by=people.agent,
            at=at,
        )
