"""What the home page and the letters show of the engine."""

from datetime import date, datetime, timedelta
from typing import Any

from django import template
from django.utils import timezone

from families.models import Child, Household
from portal.french import dates
from portal.reservations.days.calendars import (
    OpenDays,
    days_between,
)
from portal.reservations.models import Schooling
from portal.reservations.states import LIVE

SATURDAY = 5

register = template.Library()

register.filter("french_day", dates.day)
register.filter("french_moment", dates.moment)


@register.filter
def french_long_day(day: date) -> str:
    """« jeudi 26 novembre 2026 »."""
    return dates.day(day, year=True)


@register.filter
def french_long_moment(moment: datetime) -> str:
    """« jeudi 26 novembre 2026 à 12 h »."""
    return dates.moment(moment, year=True)


@register.filter
def french_until(moment: datetime) -> str:
    """« jusqu'au jeudi 26 novembre à 12 h »."""
    return dates.until(moment)


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
    children = sorted(household.children.all(), key=lambda child: child.birth_date)
    return {
        "children": children,
        "days": [
            {
                "day": day,
                "label": f"{dates.WEEKDAYS[day.weekday()]} {day.day}",
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
