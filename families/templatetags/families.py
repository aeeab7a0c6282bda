"""The family's own blocks of the home page."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django import template
from django.template import Context
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from families import at_home, which_home
from families.custody import homes
from families.models import ChangeRequest, Child, Household
from portal.french import moments
from portal.french.dates import short_day
from portal.web.signed_in import signed_in

register = template.Library()


@register.inclusion_tag("families/_informations.html", takes_context=True)
def household_information(context: Context, household: Household, today: date) -> dict[str, Any]:
    """« Mes Informations »: number, guardians, address, quotient, what waits. Two queries."""
    return {
        "household": household,
        "facts": at_home.facts(household, today),
        "user": context["user"],
    }


@register.filter
def way_to_correct(kind: str) -> str:
    """The name of the page on which a request of this kind is made again."""
    return at_home.WAYS[ChangeRequest.Kind(kind)]


@register.inclusion_tag("families/_chosen_household.html", takes_context=True)
def chosen_household(context: Context) -> dict[str, Any]:
    """For who belongs to several households: the one that is shown, and the way to the others."""
    request = signed_in(context["request"])
    shown = which_home.household(request)
    others = [one.household for one in which_home.guardians(request) if one.household_id != shown.pk]
    return {"shown": shown, "others": others}


@register.simple_tag(takes_context=True)
def household_field(context: Context) -> SafeString | str:
    """In a form that asks for a page: for which household it was shown, as `{% csrf_token %}` says it."""
    request = context["request"]
    if not which_home.several(request):
        return ""
    shown = which_home.household(signed_in(request))
    return format_html('<input type="hidden" name="{}" value="{}">', which_home.FIELD, shown.pk)


@register.inclusion_tag("families/_asks.html", takes_context=True)
def asked_now(context: Context, household: Household) -> dict[str, list[at_home.Ask]]:
    """What is asked of this guardian now, whichever app knows of it."""
    return {"asks": at_home.asked_of(household, context["user"], at=timezone.now())}


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
