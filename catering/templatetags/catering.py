"""The canteen's blocks on « Mon compte famille »."""

from datetime import date
from typing import Any

from django import template
from django.db.models import QuerySet

from catering.models import SERVICE, Dish
from families.models import Household
from portal.database.composed import Composed, Given, numbered, one_of
from portal.database.kept import once_a_page
from portal.reservations.models import Enrolment
from portal.reservations.pages import blocks, days_ahead
from portal.reservations.states import EnrolmentState

register = template.Library()


@register.inclusion_tag("reservations/_enrolments.html")
def catering_enrolments(household: Household) -> dict[str, Any]:
    """« Restauration – Les Inscriptions »."""
    return _enrolments(household)


@register.inclusion_tag("reservations/_reservations.html")
def catering_reservations(household: Household) -> dict[str, Any]:
    """« Restauration – Les Réservations »."""
    return blocks.reservations(household, SERVICE, _enrolments(household)["enrolments"])


@once_a_page
def _enrolments(household: Household) -> dict[str, Any]:
    """Both blocks need them, and so do the menus."""
    return blocks.enrolments(household, SERVICE)


@Composed
def _dishes(places: int) -> "QuerySet[Dish]":
    return (
        Dish.objects.filter(
            one_of("menu__restaurant", "place", places), menu__day__range=(Given("first"), Given("last"))
        )
        .select_related("menu")
        .only("name", "menu__restaurant", "menu__day")
        .order_by("menu__day", "order", "pk")
    )


@register.simple_tag
def coming_menus(household: Household, today: date) -> dict[tuple[int, date], list[Dish]]:
    """The dishes of the two weeks that come by (child id, day), where the child eats; one query, none where
    nobody does."""
    eats_at: dict[int, list[Enrolment]] = {}
    for enrolment in _enrolments(household)["enrolments"]:
        if enrolment.state == EnrolmentState.ACCEPTED:
            for place in {enrolment.establishment_id, enrolment.moves_to_id} - {None}:
                eats_at.setdefault(place, []).append(enrolment)
    menus: dict[tuple[int, date], list[Dish]] = {}
    if not eats_at:
        return menus
    last = today + days_ahead.TWO_WEEKS
    for dish in _dishes(len(eats_at), first=today, last=last, **numbered("place", sorted(eats_at))):
        for enrolment in eats_at[dish.menu.restaurant_id]:
            if enrolment.place_id_on(dish.menu.day) == dish.menu.restaurant_id:
                menus.setdefault((enrolment.child_id, dish.menu.day), []).append(dish)
    return menus
