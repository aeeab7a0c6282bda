"""The town hall this portal serves: name, colours, contact. One row, read on every page."""

import time
from typing import TYPE_CHECKING

from django.apps import apps
from django.http import HttpRequest

if TYPE_CHECKING:
    from portal.models import Town

FRESH_SECONDS = 30
_kept: tuple[float, "Town"] | None = None


def current() -> "Town":
    """The town's row, or an unsaved neutral one before it is configured.

    Kept for FRESH_SECONDS in each process: every page needs it and it changes once a year.
    """
    global _kept
    if _kept is None or time.monotonic() - _kept[0] > FRESH_SECONDS:
        town_model = apps.get_model("portal", "Town")
        _kept = (time.monotonic(), town_model.objects.first() or town_model())
    return _kept[1]


def forget() -> None:
    """Reads the row anew on the next call: after it is saved, and between tests."""
    global _kept
    _kept = None


def context(request: HttpRequest) -> dict[str, "Town"]:
    """Template context processor."""
    return {"town": current()}
