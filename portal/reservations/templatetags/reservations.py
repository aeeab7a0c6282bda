"""What the home page and the letters show of the engine."""

from datetime import date, datetime, timedelta
from typing import Any

from django import template
from django.utils import timezone

from families.models import Child, Household
from portal.reservations import french
from portal.reservations.calendars import OpenDays, days_between
from portal.reservations.models import Schooling
from portal.reservations.states import LIVE

SATURDAY = 5

register = template.Library()

register.filter("french_day", french.day)
register.filter("french_moment", french.moment)


@register.filter
def french_long_day(day: date) -> str:
    """« jeudi 26 novembre 2026 »."""
    return french.day(day, year=True)


@register.filter
def french_until(moment: datetime) -> str:
    """« jusqu'au jeudi 26 novembre à 12 h »."""
    return french.until(moment)


@register.simple_tag
def schooling(child: Child) -> Schooling | None:
    """The child's class of the current school year, or the latest known."""
    return (
        child.schoolings.select_related("school_class__school", "school_year")
        .order_by("-school_year__starts_on")
        .first()
    )


@register.simple_tag
def schoolings(household: Household) -> dict[int, Schooling]:
    """The latest class of every child of the household, by child id, in one query."""
    found = (
        Schooling.objects.filter(child__households=household)
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
    week = [
        {
            "child": child,
            "days": [
                {
                    "day": day,
                    "label": f"{french.WEEKDAYS[day.weekday()]} {day.day}",
                    "entries": entries.get((child.pk, day), []),
                    "closed": calendar.why_closed(day),
                    "menu": extras.get((child.pk, day), []),
                }
                for day in days_between(today, last)
                if day.weekday() < SATURDAY or (child.pk, day) in entries
            ],
        }
        for child in household.children.all()
    ]
    return {"week": week}
