"""How far two rights reach that say more than a verb: which days of a register, and which days close."""

from datetime import date
from typing import Any

from django.db.models import Q, QuerySet

from families import groups
from portal.reservations.models import Booking
from portal.reservations.staff import rights, scopes

# Who reads bookings reads the register of any day; whoever only calls it, that of today.
ANY_DAY = "reservations.view_booking"
TODAY_ONLY = "Votre rôle ouvre la liste d'aujourd'hui seulement."


def opens(user: Any, place: int, day: date, *, today: date, week: bool = False) -> bool:
    """Whether the register of a place (its key) is for `user` on this day, or for its week."""
    return (day == today and not week) or holds_at(user, place, ANY_DAY)


def holds_at(user: Any, place: int, *needed: str) -> bool:
    """Whether each of these rights reaches a place (its key); in no query once the rights are read."""
    reaches = (rights.places_of(user, right) for right in needed)
    return all(isinstance(reach, rights.Whole) or place in reach for reach in reaches)


def of_days_opened(user: Any, rows: QuerySet[Any], *, today: date) -> QuerySet[Any]:
    """Of rows of places and days, those of days that are for `user`; `rows` itself where all are."""
    reach = rights.places_of(user, ANY_DAY)
    if isinstance(reach, rights.Whole):
        return rows
    return rows.filter(Q(establishment__in=reach) | Q(day=today))


def may_close(user: Any, bookings: QuerySet[Booking], *, today: date) -> bool:
    """Whether `user` may close the days of these bookings: at one's places, and of the children of these."""
    reach = rights.places_of(user, groups.CLOSE)
    if isinstance(reach, rights.Whole):
        return True
    if not reach:
        return False
    theirs = scopes.children(scopes.Asked(reach, today, looking=False)).values("pk")
    return not bookings.exclude(Q(establishment__in=reach) | Q(child__in=theirs)).exists()
