from typing import Any

from django import template

from families.models import Household
from portal.reservations.pages import blocks

register = template.Library()


@register.inclusion_tag("reservations/_enrolments.html")
def transport_enrolments(household: Household) -> dict[str, Any]:
    return blocks.enrolments(household, "transport")


@register.inclusion_tag("reservations/_reservations.html")
def transport_reservations(household: Household) -> dict[str, Any]:
    return blocks.reservations(
        household, "transport", blocks.enrolments(household, "transport")["enrolments"]
    )
