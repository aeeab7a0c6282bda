"""« Mes connexions »: where one is logged in, and the way to end any of it."""

from dataclasses import dataclass
from datetime import timedelta

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone

from families.models import SecurityEvent
from families.signing_in import sessions
from families.traces import security
from portal.french import moments
from portal.web.posted import posted_number
from portal.web.signed_in import SignedInRequest
from portal.web.unanswered import Unanswered

# What a browser says of itself, in its own order: Edge says « Chrome » too, and Chrome « Safari ».
BROWSERS = {
    "Edg": "Edge",
    "OPR": "Opera",
    "SamsungBrowser": "Samsung Internet",
    "Firefox": "Firefox",
    "FxiOS": "Firefox",
    "CriOS": "Chrome",
    "Chrome": "Chrome",
    "Safari": "Safari",
}
SYSTEMS = {
    "iPhone": "iPhone",
    "iPad": "iPad",
    "Android": "Android",
    "Windows": "Windows",
    "Mac OS": "Mac",
    "CrOS": "Chromebook",
    "Linux": "Linux",
}


# An activity so soon after the login is the login.
LATER = timedelta(minutes=1)


@dataclass(frozen=True)
class Place:
    """A session as its owner recognises it."""

    pk: int
    device: str
    address: str
    opened: str
    seen: str
    here: bool


def device(user_agent: str) -> str:
    """« Firefox, Windows »: what a person calls it, of what a browser says of itself."""
    browser = next((name for mark, name in BROWSERS.items() if mark in user_agent), "Navigateur inconnu")
    system = next((name for mark, name in SYSTEMS.items() if mark in user_agent), "")
    return f"{browser}, {system}" if system else browser


def my_sessions(request: SignedInRequest) -> HttpResponse:
    """Each session of who is logged in; one of them is ended, or all the others."""
    if request.method == "POST":
        return _end(request)
    places = [
        Place(
            pk=one.pk,
            device=device(one.user_agent),
            address=one.ip,
            opened=moments.moment(one.created_at),
            seen=moments.moment(one.last_seen_at) if one.last_seen_at > one.created_at + LATER else "",
            here=one.is_current(),
        )
        for one in sessions.of(request, request.user, timezone.now())
    ]
    return render(request, "usersessions/usersession_list.html", {"places": places})


def _end(request: SignedInRequest) -> HttpResponse:
    if "others" in request.POST:
        sessions.end_others(request, request.user)
        said, detail = "Toutes vos autres connexions sont fermées.", "toutes les autres"
    else:
        number = posted_number(request.POST.get("session", ""))
        try:
            ended = number is not None and sessions.end(request.user, number)
        except Unanswered:
            messages.error(
                request,
                "Cette connexion ne peut pas être fermée en ce moment. Réessayez dans une minute, ou fermez "
                "toutes les autres.",
            )
            return redirect("families:sessions")
        if not ended:
            messages.info(request, "Cette connexion était déjà fermée.")
            return redirect("families:sessions")
        said, detail = "Cette connexion est fermée.", "une connexion"
    security.note(SecurityEvent.Kind.SESSIONS_ENDED, user=request.user, request=request, detail=detail)
    messages.success(request, said)
    return redirect("families:sessions")
