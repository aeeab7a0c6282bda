"""What templates need to look like the town."""

from django import template
from django.templatetags.static import static
from django.urls import reverse

from portal import theme, town

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
