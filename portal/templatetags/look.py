"""What templates need to look like the town and to explain the states."""

from django import template
from django.templatetags.static import static
from django.urls import reverse

from portal import theme, town
from portal.reservations.states import (
    BookingState,
    CellState,
    EnrolmentState,
    Outcome,
    ReservationState,
)

register = template.Library()

LEGENDS = {
    "planning": CellState.choices,
    "bookings": BookingState.choices,
    "reservations": ReservationState.choices,
    "enrolments": EnrolmentState.choices,
    "lines": [(value or "draft", label) for value, label in Outcome.choices],
}


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
def legend_entries(states: str) -> list[tuple[str, str]]:
    """The (state, words) that a legend explains; `states` is a key of LEGENDS, KeyError otherwise."""
    return list(LEGENDS[states])
