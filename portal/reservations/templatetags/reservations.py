"""What the home page and the letters show of the engine."""

from collections.abc import Sequence
from datetime import date, datetime
from functools import cache
from typing import Any

from django import template
from django.db.models import QuerySet
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.safestring import SafeString

from families.custody import homes
from families.models import Household
from portal.database.composed import Composed, numbered, one_of
from portal.french import moments
from portal.french.dates import short_day
from portal.reservations.acts import ending
from portal.reservations.days import notices
from portal.reservations.models import (
    Attendance,
    CountedReservation,
    Enrolment,
    Reservation,
    ReservationLine,
    Schooling,
)
from portal.reservations.pages import carts, days_ahead, in_words
from portal.reservations.pages.cells import AWAY_NAMED
from portal.reservations.pages.first_steps import steps_of
from portal.reservations.pages.services import SERVICES, Service
from portal.reservations.pages.waits import Wait
from portal.reservations.presence import attendance
from portal.reservations.states import (
    Action,
    BookingState,
    CellState,
    EnrolmentState,
    Outcome,
    ReservationState,
)

register = template.Library()

LEGENDS = {
    "planning": [(value, label) for value, label in CellState.choices if value != CellState.ELSEWHERE],
    "planning_of_two_homes": [*CellState.choices, ("away", AWAY_NAMED)],
    "bookings": BookingState.choices,
    "reservations": ReservationState.choices,
    "enrolments": EnrolmentState.choices,
    "lines": [(value or "draft", label) for value, label in Outcome.choices],
}


@register.simple_tag
@cache
def legend(states: str) -> SafeString:
    """« Légende » of the states that a list or a planning shows; `states` is a key of LEGENDS. It is the
    same for everybody: a process draws it once."""
    return render_to_string("components/legend.html", {"entries": list(LEGENDS[states])})


@register.simple_tag
def standing(reservations: Sequence[Reservation]) -> list[carts.Stands]:
    """Reservations, each with where it stands."""
    return carts.standing(reservations, timezone.now())


@register.simple_tag
def enrolment_end(enrolment: Enrolment | None) -> dict[str, Any]:
    """When the enrolment ends and why (`said`), and what its family may do about it."""
    if enrolment is None:
        return {}
    today = timezone.localdate()
    may = ending.can_end(enrolment, today) and ending.family_may(enrolment)
    return {
        "said": ending.said(enrolment, today),
        "can_end": may,
        "can_resume": may and ending.can_resume(enrolment, today),
    }


register.filter("french_day", moments.day)
register.filter("french_moment", moments.moment)
register.filter("french_short_day", short_day)


@register.filter
def french_long_day(day: date) -> str:
    """« jeudi 26 novembre 2026 »."""
    return moments.day(day, year=True)


@register.filter
def french_long_moment(moment: datetime) -> str:
    """« jeudi 26 novembre 2026 à 12 h »."""
    return moments.moment(moment, year=True)


@register.simple_tag
def schoolings(household: Household) -> dict[int, Schooling]:
    """The class of every child of the household, by child id, in one query beside the children's: the latest
    that has begun, where one has."""
    today = timezone.localdate()
    children = [child.pk for child in homes.children(household, today)]
    if not children:
        return {}
    found = _classes(today, len(children), **numbered("child", children))
    return {one.child_id: one for one in reversed(found)}


@Composed
def _classes(today: date, children: int) -> "QuerySet[Schooling]":
    return (
        Schooling.objects.current()
        .filter(one_of("child", "child", children))
        .select_related("school_class__school")
        .nearest_first(today)
    )


@register.inclusion_tag("reservations/_days_ahead.html")
def coming_days(household: Household, today: date, extras: days_ahead.Extras | None = None) -> dict[str, Any]:
    """Today and the next day of school, the rest of two weeks and the menus folded.

    `extras` are what a service adds to a child's day, by (child id, day): the menu.
    """
    return {"ahead": days_ahead.ahead(household, today, extras or {})}


@register.simple_tag
def ways_to_book() -> list[Service]:
    """The services that have a large way on at the top of the home page."""
    return [service for service in SERVICES.values() if service.book_label]


register.filter("whose", in_words.whose)


@register.filter
def told_apart(enrolment: Enrolment, others: list[Enrolment]) -> str:
    """« Restauration scolaire », with its year where `others` beside it are of several years."""
    years = {one.school_year_id for one in others}
    return f"{enrolment.activity} {enrolment.school_year}" if len(years) > 1 else str(enrolment.activity)


@register.filter
def asked(reservation: CountedReservation) -> str:
    """« 12 jours de janvier », « annulation du jeudi 3 décembre »."""
    return in_words.asked(reservation, timezone.localdate())


@register.inclusion_tag("reservations/_notices.html")
def town_notices(household: Household, today: date) -> dict[str, list[notices.Told]]:
    """What the town hall tells this family today. No query without one that is of some places only."""
    return {"notices": notices.for_household(household, today)}


@register.inclusion_tag("reservations/_first_steps.html")
def first_steps(household: Household, today: date) -> dict[str, Any]:
    """What a new family can do by itself, while it waits and before its first enrolment; nothing later."""
    return {"household": household, "list": steps_of(household, today)}


@register.simple_tag
def attendance_of(reservation: Reservation) -> dict[tuple[int, Any], Attendance]:
    """What was entered of the reservation's child by its household, by (formula id, day), in one query."""
    found = Attendance.objects.filter(
        household=reservation.household_id, child=reservation.child_id, booking__isnull=False
    ).filter(formula__activity=reservation.enrolment.activity_id)
    return {(one.formula_id, one.day): one for one in found}


@register.simple_tag
def wait_of(line: ReservationLine, waits: dict[tuple[int, date], Wait]) -> Wait | None:
    """Where a day of a reservation waits for a place, or is offered one; None where it does not."""
    return None if line.action == Action.CANCEL else waits.get((line.formula_id, line.day))


@register.simple_tag
def came(line: ReservationLine, entered: dict[tuple[int, Any], Attendance]) -> dict[str, str]:
    """`standing`: where the child stood on a booked day, in words, once entered; `report`: the page on which
    that day's absence may be reported, empty where there is none to report."""
    if line.action != Action.BOOK or line.outcome != Outcome.ACCEPTED:
        return {"standing": "", "report": ""}
    row = entered.get((line.formula_id, line.day))
    standing = attendance.standing_of(row)
    open_ones = (attendance.PresenceStanding.EXPECTED, attendance.PresenceStanding.UNJUSTIFIED)
    today = timezone.localdate()
    report = ""
    if today - attendance.LOOK_BACK <= line.day <= today and standing in open_ones:
        days = urlencode({"du": line.day.isoformat(), "au": line.day.isoformat()})
        report = f"{reverse('absences:report', args=[line.reservation.child_id])}?{days}"
    return {"standing": str(standing.label) if row is not None else "", "report": report}
