"""Words of a page that agree with a number or a name."""

from django import template

from portal.french import amounts, elision, plurals

register = template.Library()
register.filter("french_number", amounts.number)


@register.filter
def agreed(number: int, endings: str = "s") -> str:
    """`{{ n }} facture{{ n|agreed }}`, `ser{{ n|agreed:"a,ont" }}`: as `pluralize`, but none is singular."""
    one, _, many = endings.rpartition(",")
    return plurals.agreed(number, one, many)


@register.filter
def of(name: object) -> str:
    """`{{ child.first_name|of }}`: « de Lina », « d'Inès »."""
    return elision.of(str(name))
