"""Forms posted after the session expired: kept aside, and given back once after login.

A view opts in with `@keeps_interrupted_form`. When an anonymous POST reaches it, its fields are kept in the
anonymous session (never a file, never a password) while LoginRequiredMiddleware asks to log in. Login leads
back to the same path with GET, where the view calls `take(request)` (or `posted(request)`) and shows what was
typed. A view only ever fills a form or a draft with it: nothing is written without a new, deliberate submit.
What was typed may be a child's health: the session keeps it encrypted.

Anybody may post: a network has its share of an hour, and so has everybody together. Beyond it nothing is
kept, and a page says how not to lose what was typed.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any, TypeVar

from django.conf import settings
from django.contrib import messages
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.utils import timezone

from portal.database.encrypted import keys
from portal.database.field_keys import CannotRead
from portal.web.networks import network_of
from portal.web.table_sessions import SessionStore

SESSION_KEY = "interrupted_form"
LARGEST_CHARACTERS = 64_000  # a school year of ticks has some thousands
KEPT_SECONDS = 3600
# In characters an hour; a small form counts as CHARACTERS_AT_LEAST, for the row it takes.
CHARACTERS_AT_LEAST = 32_000
OF_A_NETWORK = 1_000_000
OF_EVERYBODY = 40_000_000
NEVER_KEPT = ("csrfmiddlewaretoken", "password", "mot_de_passe", "passwd", "secret")

View = TypeVar("View", bound=Callable[..., HttpResponse])


def keeps_interrupted_form(view: View) -> View:
    """Marks a view whose posted fields survive an expired session; it also answers GET at that path."""
    view.keeps_interrupted_form = True  # type: ignore[attr-defined]  # a mark, which functions may carry
    return view


def take(request: HttpRequest) -> QueryDict | None:
    """What was posted to this path after the session had expired, once; None when there is nothing.

    Kept for KEPT_SECONDS, and for nobody else who logs in on that browser. Other paths leave it alone.
    """
    found = waiting(request)
    if _kept(request) is not None:
        del request.session[SESSION_KEY]
    return found


def waiting(request: HttpRequest) -> QueryDict | None:
    """The same, which stays for the view to take."""
    kept = _kept(request)
    if kept is None:
        return None
    somebody_elses = kept["of"] not in (None, str(request.user.pk))
    if somebody_elses or timezone.now().timestamp() - kept["at"] > KEPT_SECONDS:
        return None
    try:
        return QueryDict(keys().decrypt(kept["fields"]))
    except CannotRead:
        return None


def _kept(request: HttpRequest) -> dict[str, Any] | None:
    kept: dict[str, Any] | None = request.session.get(SESSION_KEY)
    return kept if kept and kept["path"] == request.get_full_path() else None


def posted(request: HttpRequest) -> QueryDict | None:
    """What a form is bound to: the fields of this POST; on GET those kept from before login, with a message.

    So a view writes `form = PhonesForm(interrupted.posted(request), …)` and saves on POST only.
    """
    if request.method == "POST":
        return request.POST
    kept = take(request)
    if kept is not None:
        messages.info(
            request, "Votre session avait expiré. Vérifiez ce que vous aviez saisi, puis enregistrez."
        )
    return kept


def _room(request: HttpRequest, characters: int) -> bool:
    """Whether one more form is kept in this hour. One that replaces another of its session takes no room."""
    if SESSION_KEY in request.session:
        return True
    hour = f"{timezone.now():%Y%m%d%H}"
    for whose, most in ((network_of(request), OF_A_NETWORK), ("everybody", OF_EVERYBODY)):
        counter = f"interrupted-{whose.replace('/', '-')}-{hour}"
        cache.add(counter, 0, KEPT_SECONDS)
        if cache.incr(counter, max(characters, CHARACTERS_AT_LEAST)) > most:
            return False
    return True


def _whose(request: HttpRequest) -> str | None:
    """The user (pk) whose session expired: its row stays until the night. None when it is not known."""
    if ended := getattr(request, "session_ended_of", None):
        return str(ended)
    key = request.COOKIES.get(settings.SESSION_COOKIE_NAME, "")
    store: type[SessionStore] = import_module(settings.SESSION_ENGINE).SessionStore
    return store.owner(key) if key else None


class KeepInterruptedFormMiddleware:
    """Stands after authentication and before LoginRequiredMiddleware."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: Any, args: Any, kwargs: Any) -> HttpResponse | None:
        if request.method != "POST" or not getattr(view, "keeps_interrupted_form", False):
            return None
        if request.user.is_authenticated:
            return None
        fields = request.POST.copy()
        for name in list(fields):
            if any(word in name.lower() for word in NEVER_KEPT):
                del fields[name]
        encoded = fields.urlencode()
        if fields and len(encoded) <= LARGEST_CHARACTERS:
            if not _room(request, len(encoded)):
                return render(request, "form_not_kept.html", status=429)
            request.session[SESSION_KEY] = {
                "path": request.get_full_path(),
                "fields": keys().encrypt(encoded),
                "of": _whose(request),
                "at": timezone.now().timestamp(),
            }
        return None
