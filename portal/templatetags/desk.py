"""What the desk's own lists put in the place of Django's tags."""

from typing import Any

from django import template

from portal.desk import long_lists

register = template.Library()


@register.inclusion_tag("admin/date_hierarchy.html")
def date_menu(cl: Any) -> dict[str, Any]:
    """The dates of a list, without reading its rows."""
    return long_lists.date_menu(cl)
