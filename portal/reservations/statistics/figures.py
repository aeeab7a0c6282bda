"""What the engine counts of a month: children, presences, occupancy, requests answered and how fast."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

from django.db.models import Count, F, Q, QuerySet, Sum
from django.utils import timezone

from families.models import ChangeRequest, Household, Paper
from portal.reservations.models import (
    AbsenceCertificate,
    Attendance,
    AttendanceState,
    Booking,
    Enrolment,
    Establishment,
    Period,
    Reservation,
    Slot,
)
from portal.reservations.models.statistics import MonthlyFigure
from portal.reservations.states import EnrolmentState, ReservationState
from portal.reservations.statistics import counting
from portal.reservations.statistics.counting import Month, Number

Kind = MonthlyFigure.Kind
MEAL = "repas"
LONGEST = 366  # a request that waited longer is counted as so many days


def bookings(month: Month) -> QuerySet[Booking]:
    """Those that hold a place in the month."""
    # Places are named so that the index by place and day serves.
    places = Establishment.objects.values("pk")
    return (
        Booking.objects.holding()
        .filter(day__range=(month.first, month.last), establishment__in=places)
        .order_by()
    )


def presences(month: Month) -> Iterator[Number]:
    """By place and formula."""
    rows = (
        bookings(month)
        .values_list("establishment", "activity", "formula", "formula__with_meal")
        .annotate(days=Count("pk"), children=Count("child", distinct=True))
    )
    for place, activity, formula, meal, days, children in rows:
        yield Number(Kind.PRESENCES, days, children, place, activity, formula, what=MEAL if meal else "")


def children(month: Month) -> Iterator[Number]:
    """A child counts once at a place, once in an activity, once in the town: no sum of others."""
    for by in (("establishment", "activity"), ("establishment",), ("activity",)):
        rows = bookings(month).values(*by).annotate(children=Count("child", distinct=True))
        for row in rows:
            yield Number(
                Kind.CHILDREN,
                row["children"],
                establishment=row.get("establishment"),
                activity=row.get("activity"),
            )
    found = bookings(month).aggregate(children=Count("child", distinct=True))["children"]
    if found:
        yield Number(Kind.CHILDREN, found)


def absences(month: Month) -> Iterator[Number]:
    """By place and formula."""
    rows = (
        Attendance.objects.filter(day__range=(month.first, month.last), state=AttendanceState.ABSENT)
        .order_by()
        .values_list("establishment", "formula__activity", "formula")
        .annotate(days=Count("pk"))
    )
    for place, activity, formula, days in rows:
        yield Number(Kind.ABSENCES, days, establishment=place, activity=activity, formula=formula)


def occupancy(month: Month) -> Iterator[Number]:
    """By place and period, where places are counted: days closed and quotas of one formula left out."""
    spans: dict[int, list[Period]] = defaultdict(list)
    periods = Period.objects.filter(starts_on__lte=month.last, ends_on__gte=month.first)
    for period in periods.prefetch_related("establishments").order_by("starts_on", "pk"):
        spans[period.activity_id].append(period)
    rows = (
        Slot.objects.filter(day__range=(month.first, month.last), capacity__gt=0, closed=False, formula=None)
        .order_by()
        .values_list("establishment", "activity", "day")
        .annotate(used=Sum("taken"), offered=Sum("capacity"))
    )
    taken: Counter[tuple[int, int, str]] = Counter()
    offered: Counter[tuple[int, int, str]] = Counter()
    for place, activity, day, used, places in rows:
        name = next(
            (
                one.name
                for one in spans[activity]
                if one.starts_on <= day <= one.ends_on and one.concerns(place)
            ),
            "",
        )
        taken[place, activity, name] += used
        offered[place, activity, name] += places
    for (place, activity, name), places in offered.items():
        yield Number(
            Kind.OCCUPANCY,
            taken[place, activity, name],
            places,
            establishment=place,
            activity=activity,
            what=name,
        )


# Requests -------------------------------------------------------------------------------------------------

# Each kind, in the order of the page.
REQUESTS = {
    "compte": "Comptes famille",
    "changement": "Changements",
    "papier": "Papiers",
    "inscription": "Inscriptions",
    "jours": "Jours demandés",
    "justificatif": "Justificatifs d'absence",
}


def answered(month: Month) -> Iterator[Number]:
    """By kind, place where it has one, and days from the request to its answer; what the desk typed itself
    was asked by nobody."""
    since, before = month.moments
    for kind, rows, asked_at in _requests():
        found = rows.filter(decided_at__gte=since, decided_at__lt=before, decided_at__gt=F(asked_at))
        where = {
            "inscription": ("establishment", "activity"),
            "jours": ("establishment", "enrolment__activity"),
        }.get(kind, ())
        waits: Counter[tuple[Any, ...]] = Counter()
        for asked, decided, *at in found.order_by().values_list(asked_at, "decided_at", *where):
            waited = (timezone.localdate(decided) - timezone.localdate(asked)).days
            place, activity = at or (None, None)
            waits[place, activity, min(waited, LONGEST)] += 1
        for (place, activity, step), number in waits.items():
            yield Number(
                Kind.ANSWERED,
                number,
                establishment=place,
                activity=activity,
                what=kind,
                step=step,
            )


def _requests() -> Iterator[tuple[str, QuerySet[Any], str]]:
    """Each kind, the rows that the town hall has answered, and since when they had waited."""
    household, change, paper, proof = (
        Household.State,
        ChangeRequest.State,
        Paper.State,
        AbsenceCertificate.State,
    )
    by_somebody = Q(decided_by__isnull=False)
    yield "compte", Household.objects.filter(state__in=(household.ACCEPTED, household.REFUSED)), "created_at"
    yield (
        "changement",
        ChangeRequest.objects.filter(state__in=(change.ACCEPTED, change.REFUSED)),
        "requested_at",
    )
    # An accepted paper expires, and was answered all the same.
    yield "papier", Paper.objects.filter(state__in=(paper.ACCEPTED, paper.REFUSED, paper.EXPIRED)), "sent_at"
    states = (EnrolmentState.ACCEPTED, EnrolmentState.REFUSED)
    yield "inscription", Enrolment.objects.filter(by_somebody, state__in=states), "requested_at"
    pending = (ReservationState.DRAFT, ReservationState.PENDING)
    yield "jours", Reservation.objects.filter(by_somebody).exclude(state__in=pending), "submitted_at"
    proofs = AbsenceCertificate.objects.filter(state__in=(proof.ACCEPTED, proof.REFUSED))
    yield "justificatif", proofs, "given_at"


def register_all() -> None:
    counting.register("présences", presences)
    counting.register("enfants", children)
    counting.register("absences", absences)
    counting.register("occupation", occupancy)
    counting.register("demandes", answered)
