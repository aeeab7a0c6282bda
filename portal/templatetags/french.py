"""Words of a page that agree with a number."""

from django import template

from portal.french import plurals

register = template.Library()


@register.filter
def agreed(number: int, endings: str = "s") -> str:
    """`{{ n }} facture{{ n|agreed }}`, `ser{{ n|agreed:"a,ont" }}`: as `pluralize`, but none is singular."""
    one, _, many = endings.rpartition(",")
    return plurals.agreed(number, one, many)
