"""« Mon compte famille »."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render


def household_account(request: HttpRequest) -> HttpResponse:
    return render(request, "portal/home.html")
