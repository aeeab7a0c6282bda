"""« Essayer comme une famille »: whose pages an agent is shown who tries, and what can be done on them.

    begin(request, home)      from then on the families' pages are those of this trial household
    end(request)              they are one's own again
    asked(request)            the household (its key) that the session tries

The desk stays the desk meanwhile: what is tried is tried on families' pages alone, by whoever made it, and
only what a family does every day. Nothing else is written for a household that is none.
"""

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from families import which_home
from families.models import Household, TrialHousehold, User
from families.which_home import is_desk
from portal.database.trials import Tried, trying
from portal.reservations.pages.services import SERVICES
from portal.web.signed_in import SignedInRequest
from portal.web.under import Band

# In the session of who tries.
SESSION_KEY = "tried_household"
SENTENCE = "Foyer d'essai : rien ne compte. Vous répondez vous-même à ses demandes, à la mairie."

# What is done as a family would; of each service besides, its enrolment, its place and period, its planning.
ACTS = frozenset(
    f"reservations:{name}"
    for name in (
        "validation",
        "recording",
        "abandon",
        "detail",
        "cancel_days",
        "change",
        "place",
        "withdraw_move",
        "end_enrolment",
        "resume_enrolment",
    )
)
OF_A_SERVICE = ("enrol", "enrolment", "choose_enrolment", "start", "planning")


def begin(request: HttpRequest, home: Household) -> None:
    request.session[SESSION_KEY] = home.pk
    request.session.pop(which_home.SESSION_KEY, None)


def end(request: HttpRequest) -> None:
    request.session.pop(SESSION_KEY, None)


def asked(request: HttpRequest) -> int | None:
    found: int | None = request.session.get(SESSION_KEY)
    return found


def tried_by(home: Household, user: User) -> Tried:
    """What is tried, and by whom."""
    return Tried(home.pk, user.email)


class TrialMiddleware:
    """Shows the trial household to who tries it. Stands after what writes for others before each page, and
    before what reads which household is one's own."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        with ExitStack() as until_answered:
            setattr(request, "_until_answered", until_answered)  # noqa: B010 a request has no such attribute
            return self.get_response(request)

    def process_view(
        self, request: SignedInRequest, view: Any, args: Any, kwargs: Any
    ) -> HttpResponse | None:
        if not getattr(view, "login_required", True) or is_desk(request) or (key := asked(request)) is None:
            return None
        home = TrialHousehold.tried.filter(pk=key, trial_of=request.user.pk).first()
        if home is None or not request.user.is_staff:
            end(request)  # removed meanwhile, or given to nobody
            return None
        vars(request).pop("_guardians", None)
        vars(request)["_until_answered"].enter_context(trying(tried_by(home, request.user)))
        vars(request)["band"] = Band(
            SENTENCE,
            reverse("admin:families_trialhousehold_changelist"),
            "Revenir à la mairie",
            navigates=True,
        )
        if request.method not in ("GET", "HEAD", "OPTIONS") and not _is_tried(request):
            return render(request, "reservations/not_tried.html", status=403)
        return None


def _is_tried(request: HttpRequest) -> bool:
    name = "" if request.resolver_match is None else request.resolver_match.view_name
    return name in ACTS or name in {f"{slug}:{one}" for slug in SERVICES for one in OF_A_SERVICE}
