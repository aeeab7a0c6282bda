"""Where children wait for a place, as pages say it: their rank, or the place offered and until when."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.db.models import Q, QuerySet
from django.urls import reverse

from families.custody import homes
from families.models import Household
from portal.database.composed import Composed, Given, numbered, one_of
from portal.database.kept import once_a_page
from portal.french import moments
from portal.french.dates import day_number
from portal.reservations.models import Booking, Reservation
from portal.reservations.models.queries import waiting_rank
from portal.reservations.states import LIVE, BookingState

WAITING = (BookingState.WAITLISTED, BookingState.OFFERED)


@dataclass(frozen=True)
class Wait:
    """Where a child stands on a waiting list, or the place that it is offered until an hour."""

    pk: int
    formula_id: int
    day: date
    rank: int | None
    until_the_day: bool
    offered_until: datetime | None

    @property
    def words(self) -> str:
        """« 3e sur la liste d'attente », « place proposée jusqu'au jeudi 26 novembre à 12 h »."""
        if self.offered_until is not None:
            return f"place proposée {moments.until(self.offered_until)}"
        return f"{ordinal(self.rank or 1)} sur la liste d'attente"

    @property
    def short(self) -> str:
        """The same, for a small cell."""
        if self.offered_until is not None:
            return f"à répondre avant le {moments.brief(self.offered_until)}"
        return f"{ordinal(self.rank or 1)} sur la liste"

    @property
    def offered(self) -> bool:
        return self.offered_until is not None

    @property
    def url(self) -> str:
        return place_url(self.pk)


def place_url(booking_id: int) -> str:
    """Where one reads one's rank, leaves the list, or answers an offer."""
    return reverse("reservations:place", args=[booking_id])


def ordinal(rank: int) -> str:
    """« 1er », « 2e »."""
    return day_number(rank) if rank == 1 else f"{rank}e"


def waits_among(bookings: Collection[int]) -> dict[int, Wait]:
    """The waits of these bookings, by key, in one query; none where there is nothing to ask."""
    if not bookings:
        return {}
    rows = Booking.objects.filter(pk__in=bookings, state__in=WAITING).annotate(rank=waiting_rank())
    fields = ("pk", "formula_id", "day", "rank", "until_the_day", "offered_until")
    return {row[0]: Wait(*row) for row in rows.values_list(*fields)}


def of_reservation(reservation: Reservation) -> dict[tuple[int, date], Wait]:
    """The waits of a reservation's days, by formula and day, in one query."""
    rows = Booking.objects.filter(reservation=reservation, state__in=WAITING)
    waits = waits_among(list(rows.values_list("pk", flat=True)))
    return {(one.formula_id, one.day): one for one in waits.values()}


@once_a_page
def coming(household: Household, first: date, last: date) -> list[Any]:
    """What the household has booked or asked for between two days, with its rank where it waits; what is
    offered to it, whatever the day; and what the other home of a child that lives there on the `first` has
    booked of it. One query, for all blocks of a page."""
    children = [child.pk for child in homes.children(household, first)]
    given = numbered("child", children)
    return _coming(len(children), household=household.pk, first=first, last=last, **given)


@Composed
def _coming(children: int) -> "QuerySet[Booking]":
    near = Q(day__lte=Given("last"))
    wanted = Q(near | Q(state=BookingState.OFFERED), household=Given("household"))
    if children:
        wanted |= near & one_of("child", "child", children)
    return (
        Booking.objects.filter(wanted, day__gte=Given("first"), state__in=LIVE)
        .annotate(rank=waiting_rank())
        .select_related("formula", "activity")
        # Two weeks of a family are many rows, of which its pages say little.
        .only(
            "household", "child", "day", "state", "offered_until",
            "formula__name", "activity__name", "activity__service",
        )
        .order_by("day", "activity__order", "formula__order")
    )  # fmt: skip
