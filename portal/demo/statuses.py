"""A situation that the demo's town hall recognises: with a scholarship, a day at the centre costs less."""

from datetime import datetime, timedelta

from django.utils import timezone

from billing.models import ChildStatus, Status
from portal.demo import banks
from portal.demo.people import People
from portal.french.dates import end_of_month
from portal.reservations.models import Enrolment
from portal.reservations.states import EnrolmentState


def recognise(people: People, at: datetime) -> None:
    """From the next month on, so that nothing billed changes; of a family that nothing else is told of."""
    found = (
        Enrolment.objects.filter(activity__code="mercredis", state=EnrolmentState.ACCEPTED)
        .exclude(household__in=banks.told(people))
        .order_by("pk")
        .first()
    )
    if found is not None:
        ChildStatus.objects.create(
            child_id=found.child_id,
            kind=Status.SCHOLARSHIP,
            valid_from=end_of_month(timezone.localdate(at)) + timedelta(days=1),
            proof="Notification de bourse",
        )
