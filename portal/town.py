"""The town hall this portal serves: name, colours, contact. One row, read on every page."""

from typing import TYPE_CHECKING

from django.apps import apps
from django.http import HttpRequest

from portal.database.kept import KeptAWhile

if TYPE_CHECKING:
    from portal.models import Town

# Overseas territories whose numbers have six or eight digits; elsewhere in France they have ten.
OWN_TELEPHONE_PLAN = {
    "saint-pierre-et-miquelon": "PM",
    "nouvelle-caledonie": "NC",
    "polynesie": "PF",
    "wallis-et-futuna": "WF",
}


@KeptAWhile
def current() -> "Town":
    """The town's row, or an unsaved neutral one before it is configured: every page needs it."""
    town_model = apps.get_model("portal", "Town")
    return town_model.objects.first() or town_model()


def territory() -> str:
    """The one (ISO 3166) whose telephone numbers are typed here without its code."""
    return OWN_TELEPHONE_PLAN.get(current().region, "FR")


def forget() -> None:
    """Reads the row anew on the next call: after it is saved, and between tests."""
    current.forget()


def context(request: HttpRequest) -> dict[str, "Town"]:
    """Template context processor."""
    return {"town": current()}
