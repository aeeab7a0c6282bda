"""The family's own blocks of the home page."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django import template
from django.template import Context
from django.utils import timezone

from families import as_family, at_home
from families.as_family import Part
from families.custody import homes
from families.models import ChangeRequest, Child, Household
from families.papers import asking
from families.texts import standing
from portal.french import moments
from portal.french.dates import short_day

register = template.Library()


@register.inclusion_tag("families/_informations.html", takes_context=True)
def household_information(context: Context, household: Household, today: date) -> dict[str, Any]:
    """« Mes Informations »: number, guardians, address, quotient, what waits. Two queries,
    and two more where the town asks for papers."""
    shown = as_family.shown_to(context.get("request"))
    return {
        "household": household,
        "facts": at_home.facts(household, today),
        "papers": (asking.of_home(household, today) or standing.of_home(household, today))
        if Part.PAPERS in shown
        else [],
        "writes": Part.LETTERS in shown,
        "user": context["user"],
    }


@register.filter
def way_to_correct(kind: str) -> str:
    """The name of the page on which a request of this kind is made again."""
    return at_home.WAYS[ChangeRequest.Kind(kind)]


@register.inclusion_tag("families/_asks.html", takes_context=True)
def asked_now(context: Context, household: Household) -> dict[str, list[at_home.Ask]]:
    """What is asked of this guardian now, whichever app knows of it."""
    shown = as_family.shown_to(context.get("request"))
    return {"asks": at_home.asked_of(household, context["user"], at=timezone.now(), shown=shown)}


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
