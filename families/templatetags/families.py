"""The family's own blocks of the home page."""

from datetime import date, datetime
from typing import Any

from django import template
from django.utils import timezone
from django.utils.formats import date_format

from families.models import ChangeRequest, Household

register = template.Library()


@register.inclusion_tag("families/_informations.html")
def household_information(household: Household, today: date) -> dict[str, Any]:
    """« Mes Informations »: number, guardians, address, quotient, what waits. Three queries."""
    return {
        "household": household,
        "guardians": list(household.guardians.select_related("user")),
        "quotient": household.quotient_on(today),
        "waiting_changes": list(household.change_requests.filter(state=ChangeRequest.State.REQUESTED)),
    }


@register.inclusion_tag("families/_children.html")
def household_children(
    household: Household, today: date, schoolings: dict[int, Any] | None = None
) -> dict[str, Any]:
    """« Mes Enfants »: each child with its age and, from `schoolings` by child id, its school and class.

    One query, none when `household.children` is prefetched.
    """
    children = list(household.children.all())
    for child in children:
        child.age = child.age_on(today)
        child.schooling = (schoolings or {}).get(child.pk)
    return {"household": household, "children": children}


@register.filter
def french_date(moment: date | datetime) -> str:
    """« 1er janvier 2026 », in local time."""
    if isinstance(moment, datetime):
        moment = timezone.localtime(moment)
    number = "1er" if moment.day == 1 else str(moment.day)
    return f"{number} {date_format(moment, 'F Y')}"
