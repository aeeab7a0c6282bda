"""A decision about one's own household, refused with its sentence on the page where it was tried."""

from collections.abc import Callable

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.html import format_html

from families.custody.own import OwnHousehold


class OwnHouseholdMiddleware:
    """The verbs raise, whatever page asks them: here the agent reads why, and goes on."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if not isinstance(exception, OwnHousehold) or request.method != "POST":
            return None
        if exception.household is None:
            messages.error(request, str(exception))
            return redirect(request.get_full_path())
        url = reverse("admin:families_owndecision_declare", args=[exception.household])
        link = '{} <a href="{}">Indiquer le motif</a>'
        messages.error(request, format_html(link, exception, url))
        return redirect(url)
