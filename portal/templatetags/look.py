"""What templates need to look like the town."""

from django import template
from django.template import Context, RequestContext
from django.templatetags.static import static
from django.urls import reverse

from portal import installable, theme, town
from portal.web.under import HOME, Band, band, under

register = template.Library()


@register.simple_tag
def town_stylesheet() -> str:
    """Address of /ville.css, which changes with the town's colour so that browsers may keep it."""
    with under("/"):
        return f"{reverse('town_stylesheet')}?v={theme.version(town.current().colour)}"


@register.simple_tag
def crest() -> str:
    """Address of the town's crest, or of the portal's own drawing."""
    uploaded = town.current().crest
    with under("/"):
        return reverse("town_crest", args=[uploaded.name]) if uploaded else static("icons/crest.svg")


@register.simple_tag
def touch_icon() -> str:
    """Address of the icon that iOS puts on the home screen."""
    with under("/"):
        return installable.icon_address("apple-180.png")


@register.simple_tag
def portal_page(name: str) -> str:
    """The address of a page of the whole portal, wherever the page stands that leads to it."""
    with under("/"):
        return reverse(name)


@register.simple_tag(takes_context=True)
def band_of(context: Context) -> Band | None:
    """What stands at the head of a page that is shown in the place of a family."""
    # An include with `only` has no names of the page, but its request.
    request = context.get("request") or getattr(context, "request", None)
    return None if request is None else band(request)


@register.simple_tag(takes_context=True)
def way_home(context: Context) -> str:
    """What the link to the first page says: at the desk it leads to the household's page. Also in what is
    included with « only »."""
    found = band(context.request) if isinstance(context, RequestContext) else None
    return found.home if found else HOME


@register.simple_tag
def theme_colour() -> str:
    """The town's colour, which a telephone gives to the bar above the page; by night it is the page's own."""
    return installable.colour()
