"""The blocks of leisure on « Mon compte famille »."""

from typing import Any

from django import template

from families.models import Household
from leisure.models import SERVICE
from portal.reservations.pages import blocks

register = template.Library()


@register.inclusion_tag("reservations/_enrolments.html")
def leisure_enrolments(household: Household) -> dict[str, Any]:
    """« Accueil de loisirs / Périscolaire – Les Inscriptions »."""
    return blocks.enrolments(household, SERVICE)


@register.inclusion_tag("reservations/_reservations.html")
def leisure_reservations(household: Household) -> dict[str, Any]:
    """« Accueil de loisirs / Périscolaire – Les Réservations »."""
    found = blocks.enrolments(household, SERVICE)["enrolments"]
    return blocks.reservations(household, SERVICE, found, by_child=True)
