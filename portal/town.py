"""The town hall this portal serves: name, colours, contact. One row, read on every page."""

from django.http import HttpRequest

from portal.models import Town, current_town

# Overseas territories whose numbers have six or eight digits; elsewhere in France they have ten.
OWN_TELEPHONE_PLAN = {
    "saint-pierre-et-miquelon": "PM",
    "nouvelle-caledonie": "NC",
    "polynesie": "PF",
    "wallis-et-futuna": "WF",
}


def current() -> Town:
    """The town's row, kept for half a minute, or an unsaved neutral one before it is configured."""
    return current_town()


def territory() -> str:
    """The one (ISO 3166) whose telephone numbers are typed here without its code."""
    return OWN_TELEPHONE_PLAN.get(current().region, "FR")


def forget() -> None:
    """Reads the row anew on the next call: after it is saved, and between tests."""
    current_town.forget()


def context(request: HttpRequest) -> dict[str, Town]:
    """Template context processor."""
    return {"town": current()}
