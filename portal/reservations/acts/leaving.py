"""A child leaves a household: what becomes of its days and enrolments there. Lent to the custody's ending in
`families`, which knows neither; states are written by `booking.py` and `enrolling.py`."""

from datetime import date, datetime

from django.db.models import F, Q
from django.utils import timezone

from families.models import Custody, Household, User
from portal.french.plurals import counted
from portal.reservations.acts import booking, enrolling, moving
from portal.reservations.models import Booking, Enrolment, SchoolYear
from portal.reservations.models.bookings import BookingQuerySet

ENDS_THERE = "Dans l'autre foyer, l'inscription se termine avant ce jour : annulé par la mairie, sans frais."
LEFT = "L'enfant ne vit plus dans ce foyer : annulé par la mairie, sans frais."


class DaysAndEnrolments:
    """The engine's part of a child that leaves."""

    def counts(self, custody: Custody, first: date) -> list[str]:
        days = _days(custody, first).count()
        enrolments = enrolling.of_child(custody.child_id, custody.household_id, first).count()
        return [
            *([counted(days, "jour à venir", "jours à venir")] if days else []),
            *([counted(enrolments, "inscription", "inscriptions")] if enrolments else []),
        ]

    def hand_over(self, custody: Custody, taker: Household, first: date, *, by: User, at: datetime) -> None:
        child, giver = custody.child_id, custody.household_id
        today = timezone.localdate(at)
        since = max(custody.until or today, today)
        enrolments = enrolling.hand_over(child, giver, taker, starts_on=since, by=by, at=at)
        days = _days(custody, first)
        for given, kept in enrolments.items():
            if kept.ends_on is not None:
                beyond = days.filter(enrolment=given, day__gt=kept.ends_on)
                booking.withdraw(beyond, by=by, at=at, reason=ENDS_THERE)
        booking.hand_over(days, taker, enrolments, by=by, at=at)
        moving.gather(enrolments.values(), by=by, at=at)

    def cancel(self, custody: Custody, first: date, *, by: User, at: datetime) -> None:
        booking.withdraw(_days(custody, first), by=by, at=at, reason=LEFT)

    def close(self, custody: Custody, *, by: User, at: datetime) -> None:
        today = timezone.localdate(at)
        enrolling.end(enrolling.of_child(custody.child_id, custody.household_id, today), by=by, at=at)


def end_enrolments(*, at: datetime) -> int:
    """Ends the enrolments of children whose custody ended meanwhile, on the day agreed; returns how many."""
    today = timezone.localdate(at)
    left = Q(household__custodies__child=F("child"), household__custodies__until__lte=today)
    over = Enrolment.objects.live().filter(left, school_year__in=SchoolYear.objects.serving(today))
    return enrolling.end(
        Enrolment.objects.filter(pk__in=list(over.values_list("pk", flat=True))), by=None, at=at
    )


def _days(custody: Custody, first: date) -> BookingQuerySet:
    """Live bookings from `first` on of which nothing was entered yet."""
    return Booking.objects.live().filter(
        child=custody.child_id, household=custody.household_id, day__gte=first, attendance=None
    )
