"""The canteen's blocks on « Mon compte famille »."""

from datetime import timedelta
from itertools import groupby
from typing import Any

from django import template
from django.utils import timezone

from catering.models import SERVICE, Dish
from families.models import Household
from portal.reservations import blocks
from portal.reservations.states import EnrolmentState

register = template.Library()


@register.inclusion_tag("reservations/_enrolments.html", takes_context=True)
def catering_enrolments(context: template.Context, household: Household) -> dict[str, Any]:
    """« Restauration – Les Inscriptions »."""
    return blocks.enrolments(household, SERVICE) | {"csrf_token": context.get("csrf_token")}


@register.inclusion_tag("reservations/_reservations.html", takes_context=True)
def catering_reservations(context: template.Context, household: Household) -> dict[str, Any]:
    """« Restauration – Les Réservations »."""
    return blocks.reservations(household, SERVICE) | {"csrf_token": context.get("csrf_token")}


@register.inclusion_tag("catering/_week_menus.html")
def week_menus(household: Household) -> dict[str, Any]:
    """The next seven days' menus at the restaurants where the household's children eat, in one query."""
    today = timezone.localdate()
    dishes = (
        Dish.objects.filter(
            menu__day__range=(today, today + timedelta(days=6)),
            menu__restaurant__enrolments__household=household,
            menu__restaurant__enrolments__state=EnrolmentState.ACCEPTED,
        )
        .select_related("menu__restaurant")
        .order_by("menu__restaurant__name", "menu__day", "order", "pk")
        .distinct()
    )
    menus = [
        {"menu": menu, "dishes": list(of_menu)}
        for menu, of_menu in groupby(dishes, key=lambda dish: dish.menu)
    ]
    return {"menus": menus}
