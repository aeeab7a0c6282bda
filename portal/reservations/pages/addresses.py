"""Where plannings are: the addresses that every service gives them."""

from django.urls import reverse

from portal.reservations.models import Activity, Reservation


def planning_address(activity: Activity, enrolment: int, establishment: int, period: int) -> str:
    """The planning of an enrolment at an establishment in a period, by their keys."""
    return reverse(f"{activity.service}:planning", args=[enrolment, establishment, period])


def planning_url(reservation: Reservation) -> str:
    """The planning on which a reservation was, or is being, made."""
    return planning_address(
        reservation.enrolment.activity,
        reservation.enrolment_id,
        reservation.establishment_id,
        reservation.period_id,
    )
