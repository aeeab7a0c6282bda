"""A day of a whole class that `agent` cancelled yesterday, as « Lots de jours » shows it."""

from datetime import datetime, timedelta

from django.db.models import Count
from django.utils import timezone

from portal.demo.people import People
from portal.reservations.acts import lots
from portal.reservations.acts.overriding import NONE
from portal.reservations.models import Booking, Enrolment, SchoolClass, attended_on
from portal.reservations.states import BookingState, EnrolmentState, LotVerb

A_DAY = timedelta(days=1)
FIRST, LAST = 8 * A_DAY, 30 * A_DAY


def cancel(people: People, at: datetime) -> None:
    """A class eats at school one day less: of those that neither `parent` nor `voisin` has a child in, that
    with most children booked on one day. In summer, nobody's."""
    today, yesterday = timezone.localdate(at), at - A_DAY
    known = (people.parent.household.pk, people.neighbour.household.pk)
    theirs = SchoolClass.objects.filter(schoolings__child__custodies__household__in=known)
    busiest = (
        Booking.objects.filter(
            state=BookingState.ACCEPTED,
            activity__code="restauration-scolaire",
            day__range=(today + FIRST, today + LAST),
            enrolment__state=EnrolmentState.ACCEPTED,
            child__schoolings__school_year__starts_on__lte=today,
            child__schoolings__school_year__ends_on__gte=today + LAST,
        )
        .exclude(places__slot__places__booking__state=BookingState.WAITLISTED)
        .exclude(child__schoolings__school_class__in=theirs)
        .values("child__schoolings__school_class", "formula", "day")
        .annotate(children=Count("child", distinct=True))
        .order_by("-children", "day", "child__schoolings__school_class")
        .first()
    )
    if busiest is None:
        return
    day, attended = busiest["day"], SchoolClass.objects.get(pk=busiest["child__schoolings__school_class"])
    of_class = Enrolment.objects.accepted().filter(
        attended_on(day, "child__schoolings"),
        activity__code="restauration-scolaire",
        child__schoolings__school_class=attended,
        school_year=attended.school_year,
    )
    formula = Booking.objects.filter(formula=busiest["formula"]).select_related("formula")[0].formula
    planned = lots.plan(of_class.select_related("child").order_by("pk"), LotVerb.CANCEL, formula, [day])
    lot = lots.begin(
        planned,
        whom=f"{attended.name}, {attended.school}",
        reason="Pique-nique de la classe.",
        overrides=NONE,
        tell=False,
        by=people.agent,
        at=yesterday,
    )
    while lots.go_on(lot.pk, at=yesterday):
        pass
