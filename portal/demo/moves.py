"""A child that changes school: its family has asked, the town hall has not answered yet."""

from datetime import datetime, timedelta

from django.utils import timezone

from portal.demo.people import People
from portal.reservations.acts import moving
from portal.reservations.models import Enrolment, Establishment, SchoolClass, Schooling

IN_THREE_WEEKS = timedelta(days=21)


def ask(people: People, at: datetime) -> None:
    """A child of the one restaurant is to go on in the same class at a school of the other: its days stand
    until `agent` has answered."""
    since = timezone.localdate(at) + IN_THREE_WEEKS
    verger = Establishment.objects.get(code="verger")
    going = Enrolment.objects.accepted().filter(
        activity__code="restauration-scolaire",
        establishment__code="moulin",
        ends_on=None,
        school_year__starts_on__lte=since,
        school_year__ends_on__gte=since,
    )
    for home in reversed([one for one in people.others if one.household.is_accepted]):
        for enrolment in going.filter(household=home.household).order_by("pk"):
            attended = Schooling.objects.current().filter(
                child=enrolment.child_id, school_year=enrolment.school_year_id
            )
            there = SchoolClass.objects.filter(
                school__in=verger.schools.all(),
                school_year=enrolment.school_year_id,
                name__in=attended.values("school_class__name"),
            ).first()
            if there is not None:
                moving.ask(
                    enrolment, establishment=verger, school_class=there, since=since, by=home.user, at=at
                )
                return
