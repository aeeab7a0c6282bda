"""Letters about enrolments and reservations: what the household asked, day by day, and what became of it."""

from django.urls import reverse

from families.models import Guardian
from portal import mailing
from portal.reservations.models import Booking, Enrolment, Reservation, ReservationLine


def _addresses(household_id: int) -> list[str]:
    """Every guardian of the household with a login has the same news."""
    return list(
        Guardian.objects.filter(household_id=household_id, user__is_active=True).values_list(
            "user__email", flat=True
        )
    )


def _reservation(reservation_id: int) -> Reservation:
    return Reservation.objects.select_related("child", "period", "establishment", "enrolment__activity").get(
        pk=reservation_id
    )


def recorded(reservation_id: int) -> None:
    """Acknowledges a reservation with every line and its state."""
    reservation = _reservation(reservation_id)
    lines = reservation.lines.select_related("formula")
    _post_lines("reservations/recorded", reservation, list(lines))


def decided(reservation_id: int, line_ids: list[int]) -> None:
    """Tells what the town hall answered."""
    reservation = _reservation(reservation_id)
    lines = reservation.lines.filter(pk__in=line_ids).select_related("formula")
    _post_lines("reservations/decided", reservation, list(lines))


def _post_lines(template: str, reservation: Reservation, lines: list[ReservationLine]) -> None:
    mailing.post(
        template,
        _addresses(reservation.household_id),
        {
            "reservation": reservation,
            "child": reservation.child,
            "activity": reservation.enrolment.activity,
            "lines": lines,
            "link": reverse("reservations:detail", args=[reservation.pk]),
        },
    )


def promoted(household_id: int, booking_ids: list[int]) -> None:
    """Good news for the waiting list."""
    _post_bookings("reservations/promoted", household_id, booking_ids, reason="")


def cancelled(household_id: int, booking_ids: list[int], reason: str) -> None:
    """Days that the town hall cancelled, and why."""
    _post_bookings("reservations/cancelled", household_id, booking_ids, reason=reason)


def _post_bookings(template: str, household_id: int, booking_ids: list[int], *, reason: str) -> None:
    bookings = Booking.objects.filter(pk__in=booking_ids).select_related(
        "child", "formula", "activity", "establishment"
    )
    mailing.post(
        template,
        _addresses(household_id),
        {"bookings": list(bookings), "reason": reason, "link": reverse("home")},
    )


def enrolment(enrolment_id: int) -> None:
    """Where a yearly enrolment stands."""
    found = Enrolment.objects.select_related("child", "activity", "establishment", "school_year").get(
        pk=enrolment_id
    )
    mailing.post(
        "reservations/enrolment",
        _addresses(found.household_id),
        {
            "enrolment": found,
            "child": found.child,
            "activity": found.activity,
            "link": reverse("home"),
        },
    )
