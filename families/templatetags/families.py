"""The family's own blocks of the home page."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django import template
from django.db.models import OuterRef, Subquery
from django.utils import timezone

from families.custody import homes
from families.models import ChangeRequest, Child, FamilyQuotient, Household
from portal.french import moments
from portal.french.dates import short_day

register = template.Library()

# How long before a quotient ends one is told.
QUOTIENT_SOON = timedelta(weeks=4)


@register.inclusion_tag("families/_informations.html")
def household_information(household: Household, today: date) -> dict[str, Any]:
    """« Mes Informations »: number, guardians, address, quotient, what waits. Two queries."""
    in_force = FamilyQuotient.objects.filter(household=OuterRef("household")).in_force(today)
    guardians = list(
        household.guardians.select_related("user").annotate(
            quotient=Subquery(in_force.values("value")[:1]),
            quotient_from=Subquery(in_force.values("valid_from")[:1]),
            quotient_to=Subquery(in_force.values("valid_to")[:1]),
            quotient_next=Subquery(
                FamilyQuotient.objects.filter(household=OuterRef("household"), valid_from__gt=today)
                .order_by("valid_from")
                .values("valid_from")[:1]
            ),
        )
    )
    quotient, ends_soon = None, False
    if guardians and guardians[0].quotient is not None:
        one = guardians[0]
        quotient = {"value": one.quotient, "valid_from": one.quotient_from, "valid_to": one.quotient_to}
        ends_soon = _ends_soon(one.quotient_to, one.quotient_next, today)
    return {
        "household": household,
        "guardians": guardians,
        "quotient": quotient,
        "quotient_ends_soon": ends_soon,
        "waiting_changes": list(household.change_requests.filter(state=ChangeRequest.State.REQUESTED)),
    }


def _ends_soon(last: date | None, following: date | None, today: date) -> bool:
    """Whether a quotient ends within four weeks, and no other one begins on the next day."""
    if last is None or last - today > QUOTIENT_SOON:
        return False
    return following is None or following > last + timedelta(days=1)


@dataclass(frozen=True)
class ChildRow:
    """A child as « Mes Enfants » shows it; `schooling` is the engine's, or None."""

    child: Child
    age: int
    schooling: Any


@register.inclusion_tag("families/_children.html")
def household_children(
    household: Household, today: date, schoolings: Mapping[int, Any] | None = None
) -> dict[str, Any]:
    """« Mes Enfants »: each child with its age and, from `schoolings` by child id, its school and class.

    One query, none where the page read the children already.
    """
    rows = [
        ChildRow(child, child.age_on(today), (schoolings or {}).get(child.pk))
        for child in homes.children(household, today)
    ]
    return {"household": household, "rows": rows}


@register.filter
def french_moment(at: datetime) -> str:
    """« lundi 9 novembre 2026 à 10 h », in local time."""
    return moments.moment(at, year=True)


@register.filter
def french_date(moment: date | datetime) -> str:
    """« 1er janvier 2026 », in local time."""
    if isinstance(moment, datetime):
        moment = timezone.localtime(moment)
    return short_day(moment, year=True)
