"""What the home page and the letters show of the engine."""

from datetime import date, datetime, timedelta
from typing import Any

from django import template
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode

from families.custody import homes
from families.models import Child, Household
from portal.french import moments
from portal.french.dates import WEEKDAYS
from portal.reservations.days.calendars import OpenDays, days_between
from portal.reservations.models import Attendance, Reservation, ReservationLine, Schooling
from portal.reservations.presence import attendance
from portal.reservations.states import (
    LIVE,
    Action,
    BookingState,
    CellState,
    EnrolmentState,
    Outcome,
    ReservationState,
)

SATURDAY = 5

register = template.Library()

LEGENDS = {
    "planning": CellState.choices,
    "bookings": BookingState.choices,
    "reservations": ReservationState.choices,
    "enrolments": EnrolmentState.choices,
    "lines": [(value or "draft", label) for value, label in Outcome.choices],
}


@register.inclusion_tag("components/legend.html")
def legend(states: str) -> dict[str, list[tuple[str, str]]]:
    """« Légende » of the states that a list or a planning shows; `states` is a key of LEGENDS."""
    return {"entries": list(LEGENDS[states])}


register.filter("french_day", moments.day)
register.filter("french_moment", moments.moment)


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
    """The latest class of every child of the household, by child id, in one query beside the children's."""
    found = (
        Schooling.objects.current()
        .filter(child__in=homes.children(household, timezone.localdate()))
        .select_related("school_class__school")
        .order_by("school_year__starts_on")
    )
    return {one.child_id: one for one in found}


@register.inclusion_tag("reservations/_this_week.html")
def this_week(
    household: Household, extras: dict[tuple[int, date], list[Any]] | None = None
) -> dict[str, Any]:
    """« Cette semaine »: for each child the next seven days, in three queries beside the children's.

    `extras` are what a service adds to a child's day, by (child id, day): the menu.
    """
    today = timezone.localdate()
    last = today + timedelta(days=6)
    calendar = OpenDays.load(None, None, today, last)
    extras = extras or {}
    entries: dict[tuple[int, date], list[dict[str, str]]] = {}
    for booking in (
        household.bookings.filter(day__range=(today, last), state__in=LIVE)
        .select_related("formula", "activity")
        .order_by("day", "activity__order", "formula__order")
    ):
        entries.setdefault((booking.child_id, booking.day), []).append(
            {
                "formula": booking.formula.name,
                "state": booking.state,
                "state_label": booking.get_state_display(),
            }
        )
    children = sorted(homes.children(household, today), key=lambda child: child.birth_date)
    return {
        "children": children,
        "days": [
            {
                "day": day,
                "label": f"{WEEKDAYS[day.weekday()]} {day.day}",
                "today": day == today,
                "closed": calendar.why_closed(day),
                "free": not any((child.pk, day) in entries for child in children),
                "children": [(child, entries.get((child.pk, day), [])) for child in children],
                "menus": _menus(children, day, extras),
            }
            for day in days_between(today, last)
            if day.weekday() < SATURDAY or any((child.pk, day) in entries for child in children)
        ],
    }


def _menus(
    children: list[Child], day: date, extras: dict[tuple[int, date], list[Any]]
) -> list[tuple[str, list[Any]]]:
    """What is served that day: (for whom, dishes). For whom is empty when all children have the same."""
    groups: list[tuple[list[str], list[Any]]] = []
    for child in children:
        dishes = extras.get((child.pk, day), [])
        same = next((names for names, others in groups if others == dishes), None)
        if same is not None:
            same.append(child.first_name)
        elif dishes:
            groups.append(([child.first_name], dishes))
    return [(" et ".join(names) if len(groups) > 1 else "", dishes) for names, dishes in groups]


@register.simple_tag
def attendance_of(reservation: Reservation) -> dict[tuple[int, Any], Attendance]:
    """What was entered of the reservation's child by its household, by (formula id, day), in one query."""
    found = Attendance.objects.filter(
        household=reservation.household_id, child=reservation.child_id, booking__isnull=False
    ).filter(formula__activity=reservation.enrolment.activity_id)
    return {(one.formula_id, one.day): one for one in found}


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
