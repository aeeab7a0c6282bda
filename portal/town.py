"""The town hall this portal serves: name, colours, contact. One row, read on every page."""

from typing import TYPE_CHECKING

from django.apps import apps
from django.http import HttpRequest

from portal.database.kept import KeptAWhile

if TYPE_CHECKING:
    from portal.models import Town


@KeptAWhile
def current() -> "Town":
    """The town's row, or an unsaved neutral one before it is configured: every page needs it."""
    town_model = apps.get_model("portal", "Town")
    return town_model.objects.first() or town_model()


def forget() -> None:
    """Reads the row anew on the next call: after it is saved, and between tests."""
    current.forget()


def context(request: HttpRequest) -> dict[str, "Town"]:
    """Template context processor."""
    return {"town": current()}
