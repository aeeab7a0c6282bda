"""Files of many households that leave the desk are written down in the register of reading."""

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest

from families.traces import reading


def note_households(request: HttpRequest, what: str, rows: QuerySet[Any], home: str = "household") -> None:
    """The list `what` takes out the households of these rows, of whatever belongs to one by `home`."""
    reading.note_export(request, what, households=rows.order_by().values_list(f"{home}_id", flat=True))
