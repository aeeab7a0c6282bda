"""What templates need to look like the town."""

from django import template
from django.templatetags.static import static
from django.urls import reverse

from portal import installable, theme, town

register = template.Library()


@register.simple_tag
def town_stylesheet() -> str:
    """Address of /ville.css, which changes with the town's colour so that browsers may keep it."""
    return f"{reverse('town_stylesheet')}?v={theme.version(town.current().colour)}"


@register.simple_tag
def crest() -> str:
    """Address of the town's crest, or of the portal's own drawing."""
    uploaded = town.current().crest
    return reverse("town_crest", args=[uploaded.name]) if uploaded else static("icons/crest.svg")


@register.simple_tag
def touch_icon() -> str:
    """Address of the icon that iOS puts on the home screen."""
    return installable.icon_address("apple-180.png")


@register.simple_tag
def theme_colour() -> str:
    """The town's colour, which a telephone gives to the bar above the page; by night it is the page's own."""
    return installable.colour()
