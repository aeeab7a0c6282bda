"""Queries that the desk, registers and kitchen ask alike: a child's class, the places left, what waits."""

from datetime import date, datetime
from typing import Any, TypeAlias, TypedDict

from django.db.models import (
    Aggregate,
    BooleanField,
    Case,
    Count,
    Exists,
    F,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Value,
    When,
)
from django.db.models.functions import Coalesce, Concat
from django.db.models.lookups import IsNull
from django_stubs_ext import WithAnnotations

from portal.reservations.models.activities import Activity, Formula, Period, Slot
from portal.reservations.models.bookings import Booking, Enrolment, Reservation, ReservationLine
from portal.reservations.models.calendar import Establishment, Schooling, attended_on
from portal.reservations.models.presence import AbsenceNotice
from portal.reservations.states import BookingState, EnrolmentState, Outcome, ReservationState


def class_of(
    child: str = "child", school_year: str = "enrolment__school_year", *, day: str = "", what: str = ""
) -> Subquery:
    """`what` of the class that the child at path `child` attends in the year at path `school_year`, on the
    day at path `day` or, without one, as far as is known: its name with its school's, as `class_name` says
    it, unless another path is asked for. Null where no class is known.
    """
    attended = Schooling.objects.filter(child=OuterRef(child), school_year=OuterRef(school_year))
    attended = attended.filter(attended_on(OuterRef(day))) if day else attended.current()
    if what:
        return Subquery(attended.values(f"school_class__{what}")[:1])
    named = Concat("school_class__name", Value(", "), "school_class__school__name")
    return Subquery(attended.values(named=named)[:1])


def class_now(child: str, today: date) -> Subquery:
    """« CE1, École des Tilleuls » of the child at path `child`, in the year that is not over `today`; null
    where none is known."""
    attended = Schooling.objects.filter(child=OuterRef(child), school_year__ends_on__gte=today)
    attended = attended.current().nearest_first(today)
    named = Concat("school_class__name", Value(", "), "school_class__school__name")
    return Subquery(attended.values(named=named)[:1])


def latest_class(today: date) -> Subquery:
    """Of children, the class of the latest year that has begun, as `class_name` says it; null where none is
    known."""
    attended = Schooling.objects.filter(child=OuterRef("pk")).current().nearest_first(today)
    named = Concat("school_class__name", Value(", "), "school_class__school__name")
    return Subquery(attended.values(named=named)[:1])


def offered_at(establishment: Any) -> Case:
    """Of periods, whether they take place at an establishment (a key, or what a query knows it by): one of
    theirs or, where none is named, one of their activity."""
    chosen = Period.establishments.through._default_manager.filter(period=OuterRef("pk"))
    of_activity = Activity.establishments.through._default_manager.filter(activity=OuterRef("activity"))
    return Case(
        When(Exists(chosen), then=Exists(chosen.filter(establishment=establishment))),
        default=Exists(of_activity.filter(establishment=establishment)),
        output_field=BooleanField(),
    )


class OfferedHere(TypedDict):
    here: bool


PeriodThere: TypeAlias = "WithAnnotations[Period, OfferedHere]"


def still_booked(enrolment: Any, day: date) -> QuerySet[Booking]:
    """What stands of an enrolment from `day` on, whatever has become of what it was booked in."""
    return Booking.objects.live().filter(enrolment=enrolment, day__gte=day)


def with_class(bookings: QuerySet[Booking]) -> QuerySet[Any]:
    """Annotates `attended` and `school`, the names of the child's class and of its school."""
    return bookings.annotate(
        attended=class_of(day="day", what="name"), school=class_of(day="day", what="school__name")
    )


def announced() -> Subquery:
    """Since when the family of a booking has said that the child will not come that day; null where it has
    said nothing, or taken it back."""
    same = {name: OuterRef(name) for name in ("household", "child", "day")}
    return Subquery(AbsenceNotice.objects.standing().filter(**same).values("announced_at")[:1])


def where_meals_are_eaten(today: date) -> QuerySet[Establishment]:
    """The restaurants, then the places of activities with a formula that holds a meal, and those that no
    longer are but where one is still booked from `today` on; closed ones last."""
    restaurant = Q(kind=Establishment.Kind.RESTAURANT)
    of_meals = Formula.objects.filter(with_meal=True, activity__establishments=OuterRef("pk"))
    still = Booking.objects.meals().filter(establishment=OuterRef("pk"), day__gte=today)
    # By the first day, in the order of an index: whether there is one would be looked for among all bookings.
    next_meal = Subquery(still.order_by("day").values("day")[:1])
    first = Case(When(restaurant, then=0), default=1)
    there = restaurant | Exists(of_meals) | Q(IsNull(next_meal, False))
    return Establishment.objects.filter(there).order_by("-active", first, "name")


def fewest_places(slots: QuerySet[Slot]) -> Subquery:
    """The places left where fewest are left among `slots`; null when none of them has a limit."""
    limited = slots.filter(capacity__isnull=False).annotate(left=F("capacity") - F("taken"))
    return Subquery(limited.order_by("left").values("left")[:1])


def live_slots(reservation: str, **lines: OuterRef) -> QuerySet[Slot]:
    """Slots of the requested bookings of the reservation at path `reservation`."""
    return Slot.objects.filter(
        places__booking__reservation=OuterRef(reservation),
        places__booking__state__in=(BookingState.REQUESTED, BookingState.WAITLISTED),
        **lines,
    )


def waiting_rank() -> Case:
    """Of a booking on a waiting list: its rank, by arrival, among those that wait for one of the same slots;
    null of any other."""
    earlier = Q(waiting_since__lt=OuterRef("waiting_since")) | Q(
        waiting_since=OuterRef("waiting_since"), pk__lt=OuterRef("pk")
    )
    ahead = (
        Booking.objects.filter(
            earlier,
            state=BookingState.WAITLISTED,
            day=OuterRef("day"),
            establishment=OuterRef("establishment"),
            places__slot__places__booking=OuterRef("pk"),
        )
        .order_by()
        .values("state")
        .annotate(count=Count("pk", distinct=True))
    )
    rank = Coalesce(Subquery(ahead.values("count")), 0) + 1
    return Case(When(state=BookingState.WAITLISTED, then=rank), default=Value(None))


class FewestPlaces(TypedDict):
    fewest: int | None


LineWithPlaces: TypeAlias = "WithAnnotations[ReservationLine, FewestPlaces]"


def lines_with_places(lines: QuerySet[ReservationLine]) -> QuerySet[LineWithPlaces]:
    """The lines with the fewest places left in what each waits for."""
    return lines.annotate(
        fewest=fewest_places(
            live_slots("reservation", day=OuterRef("day"), places__booking__formula=OuterRef("formula"))
        )
    )


class RefusedBefore(TypedDict):
    refused_at: datetime | None
    refused_because: str | None


def refused_before(what: str) -> Subquery:
    """`what` of the last enrolment refused before this one, for the same child, activity and year."""
    same = ("household", "child", "activity", "school_year")
    earlier = Enrolment.objects.filter(
        state=EnrolmentState.REFUSED, pk__lt=OuterRef("pk"), **{name: OuterRef(name) for name in same}
    )
    return Subquery(earlier.order_by("-pk").values(what)[:1])


def of_lines(aggregate: Aggregate, *conditions: Q, **lookups: Any) -> Subquery:
    """An aggregate over a reservation's lines. A subquery: computed for the rows of the page only."""
    lines = ReservationLine.objects.filter(*conditions, reservation=OuterRef("pk"), **lookups)
    return Subquery(lines.order_by().values("reservation").annotate(found=aggregate).values("found"))


def to_answer(reservations: QuerySet[Reservation]) -> QuerySet[Reservation]:
    """Those with a day that waits for an answer: a day on a waiting list waits for a place only."""
    asked = ReservationLine.objects.filter(reservation=OuterRef("pk"), outcome=Outcome.REQUESTED)
    return reservations.filter(Exists(asked), state=ReservationState.PENDING)
