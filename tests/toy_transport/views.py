"""All that a service needs beside the engine: its declaration, and its own enrolment page."""

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone

from families.models import Child, Household
from portal.reservations.acts import enrolling
from portal.reservations.models import Activity, Enrolment, SchoolYear
from portal.reservations.pages import services, steps, weeks
from portal.web.signed_in import SignedInRequest

TRANSPORT = services.Service(
    slug="transport",
    name="Transport scolaire",
    template="reservations/planning_weeks.html",
    context=weeks.context,
    act=weeks.act,
    shown=weeks.shown,
    together=True,
)


def choose_child_to_enrol(request: SignedInRequest) -> HttpResponse:
    return steps.choose_child_to_enrol(request, TRANSPORT)


def enrol(request: SignedInRequest, child_id: int) -> HttpResponse:
    child = get_object_or_404(Child.objects.visible_to(request.user), pk=child_id)
    household = get_object_or_404(Household.objects.visible_to(request.user))
    at = timezone.now()
    today = timezone.localdate(at)
    activity = Activity.objects.get(service=TRANSPORT.slug)
    school_year = SchoolYear.objects.filter(ends_on__gte=today).order_by("starts_on").first()
    if request.method == "POST" and school_year is not None:
        enrolling.request(
            household=household,
            child=child,
            activity=activity,
            establishment=enrolling.places_for(activity, child, school_year)[0],
            school_year=school_year,
            weekdays=activity.weekdays,
            starts_on=today,
            by=request.user,
            at=at,
        )
        return redirect("home")
    return render(request, "toy_transport/enrol.html", {"child": child, "activity": activity})


def enrolment(request: SignedInRequest, enrolment_id: int) -> HttpResponse:
    found = get_object_or_404(
        Enrolment.objects.visible_to(request.user), pk=enrolment_id, activity__service=TRANSPORT.slug
    )
    return render(request, "toy_transport/enrol.html", {"child": found.child, "activity": found.activity})


def choose_child_to_book(request: SignedInRequest) -> HttpResponse:
    return steps.choose_child(request, TRANSPORT)


def start(request: SignedInRequest, enrolment_id: int) -> HttpResponse:
    return steps.start(request, TRANSPORT, enrolment_id)


def planning(
    request: SignedInRequest, enrolment_id: int, establishment_id: int, period_id: int
) -> HttpResponse:
    return steps.planning(request, TRANSPORT, enrolment_id, establishment_id, period_id)
