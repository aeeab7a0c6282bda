"""Whether families may come in: the town hall sets the portal up, opens it, and may close it again.

start_closed()          of a new installation, before anybody sets it up
open_up(by) / close(by) the only writers of `Town.is_open`, each with its trace
OpeningSoonMiddleware   while it is closed, families read « Le portail ouvre bientôt »
"""

from collections.abc import Callable
from typing import Any

from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import AnonymousUser
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.cache import add_never_cache_headers

from portal import town
from portal.models import Town

RIGHT = "portal.open_public_town"
# What goes on while it is closed: how the town hall's people come in and prove who they are, what banks and
# programs ask for, the footer's pages, and links of letters that only stop something.
GOES_ON = {
    "account_login",
    "account_logout",
    "account_inactive",
    "account_confirm_email",
    "account_email_verification_sent",
    "account_reauthenticate",
    "account_reset_password",
    "account_reset_password_done",
    "account_reset_password_from_key",
    "account_reset_password_from_key_done",
    "families:log_out_everywhere",
    "families:staff_invitation",
    "families:stop_reminders",
    "mfa_authenticate",
    "billing:payment_notification",
    "billing:regie_payment_notification",
    "legal",
    "privacy",
    "accessibility",
    "town_stylesheet",
    "town_crest",
    "manifest",
    "app_icon",
    "change_password",
    "security_txt",
    "health",
    "alive",
    "ready",
    "health_detail",
    "measures",
}
# Read by programs, which would take a page for an empty calendar: they come again, and keep what they have.
READ_BY_PROGRAMS = {"reservations:calendar_feed"}
A_DAY = 24 * 60 * 60
OPENED, CLOSED = "Portail ouvert au public.", "Portail fermé au public."


def start_closed() -> None:
    """Of an installation that nobody uses yet."""
    current = Town.objects.first() or Town()
    current.is_open = False
    current.save()


def open_up(by: Any) -> bool:
    """Families may come in from now on; whether they could not before. Other processes hear of it within half
    a minute."""
    return _say(True, by, OPENED)


def close(by: Any) -> bool:
    """Families read that the portal opens soon; nothing of theirs changes. Whether they could come in."""
    return _say(False, by, CLOSED)


def _say(is_open: bool, by: Any, sentence: str) -> bool:
    with transaction.atomic():
        current = Town.objects.select_for_update().first() or Town()
        if current.pk and current.is_open == is_open:
            return False
        current.is_open = is_open
        current.save()
        LogEntry.objects.log_actions(
            user_id=by.pk, queryset=[current], action_flag=CHANGE, change_message=sentence
        )
    return True


class OpeningSoonMiddleware:
    """Stands after authentication and before whatever asks to log in: no data is shown, the desk works."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: Any, args: Any, kwargs: Any) -> HttpResponse | None:
        match = request.resolver_match
        if match is None or match.view_name in GOES_ON or match.app_name == "admin":
            return None
        if town.current().is_open or request.user.is_staff:
            return None
        # Without the menu of who is logged in: it would lead back here.
        seen = {"user": AnonymousUser(), "may_leave": request.user.is_authenticated}
        answer = render(request, "portal/opening_soon.html", seen)
        if match.view_name in READ_BY_PROGRAMS:
            answer.status_code = 503
            answer["Retry-After"] = str(A_DAY)
        add_never_cache_headers(answer)
        return answer
