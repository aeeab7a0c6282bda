"""Addresses that programs know by heart: where a password is changed, and whom to tell of a weakness."""

from datetime import timedelta

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET

from portal import town
from portal.french import phones

# RFC 9116: less than a year.
VALID_FOR = timedelta(days=180)


@login_not_required
@require_GET
def change_password(request: HttpRequest) -> HttpResponse:
    """W3C « change password »: password managers follow it."""
    return redirect("account_change_password")


@login_not_required
@require_GET
def security_txt(request: HttpRequest) -> HttpResponse:
    """RFC 9116: the town's contact, in the form that researchers look for."""
    home = settings.PORTAL_URL.rstrip("/")
    here = town.current()
    contacts = [f"mailto:{here.email}"] if here.email else []
    if phone := phones.read_here(here.phone):
        contacts.append(f"tel:{phone}")
    expires = (timezone.now() + VALID_FOR).replace(microsecond=0).isoformat().replace("+00:00", "Z")
    lines = [
        *(f"Contact: {contact}" for contact in contacts or [home + reverse("legal")]),
        f"Expires: {expires}",
        "Preferred-Languages: fr, en",
        f"Canonical: {home}{reverse('security_txt')}",
    ]
    return HttpResponse("\n".join([*lines, ""]), content_type="text/plain; charset=utf-8")
