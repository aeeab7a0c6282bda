"""Query strings that nobody types: answered with « requête incorrecte » before they reach a database.

PostgreSQL takes no NUL character in a text, and no date takes a year of thirty digits; the lists of the desk
hand both to the database as they come.
"""

from collections.abc import Callable

from django.core.exceptions import SuspiciousOperation
from django.http import HttpRequest, HttpResponse

DATE_PARTS = ("__year", "__month", "__day")
LONGEST_YEAR = 4


class ReadableQueryMiddleware:
    """Raises SuspiciousOperation (400) for a path or query string that no page can mean."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        texts = [request.path_info]
        for name, values in request.GET.lists():
            texts += [name, *values]
            if name.endswith(DATE_PARTS) and any(len(value) > LONGEST_YEAR for value in values):
                raise SuspiciousOperation("A part of a date is too long.")
        if any("\0" in text for text in texts):
            raise SuspiciousOperation("The address holds a NUL character.")
        return self.get_response(request)
