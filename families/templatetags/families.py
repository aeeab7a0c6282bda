"""The family's own blocks of the home page."""

from datetime import date, datetime
from typing import Any

from django import template
from django.db.models import OuterRef, Subquery
from django.utils import timezone
from django.utils.formats import date_format

from families.models import ChangeRequest, FamilyQuotient, Household

QUOTIENT_FIELDS = ("value", "valid_from", "valid_to")

register = template.Library()


@register.inclusion_tag("families/_informations.html")
def household_information(household: Household, today: date) -> dict[str, Any]:
    """« Mes Informations »: number, guardians, address, quotient, what waits. Two queries."""
    in_force = FamilyQuotient.objects.filter(household=OuterRef("household")).in_force(today)
    guardians = list(
        household.guardians.select_related("user").annotate(
            **{f"quotient_{name}": Subquery(in_force.values(name)[:1]) for name in QUOTIENT_FIELDS}
        )
    )
    quotient = None
    if guardians and guardians[0].quotient_value is not None:
        quotient = {name: getattr(guardians[0], f"quotient_{name}") for name in QUOTIENT_FIELDS}
    return {
        "household": household,
        "guardians": guardians,
        "quotient": quotient,
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
