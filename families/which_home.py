"""Which of an adult's households a page shows, and a form acts for: said here once.

    guardian(request), household(request)            the one shown; 404 for who belongs to none
    row(request, Invoice.objects.visible_to(user), pk=…)   a row of any; its household is shown from then on
    rows(request, Invoice.objects.visible_to(user))  those of the one shown

Who belongs to one household is asked nothing and pays nothing. Who belongs to two chooses one, which the
session keeps; every form carries the one that it was shown for (`{% csrf_token %}` writes it) and acts for
it, whatever was chosen since in another tab; the page that answers shows that household again. Links in
mails name theirs (`mark`). A household named by a form without being one's own does not exist.
"""

from collections.abc import Callable
from datetime import date
from functools import reduce
from typing import Any, TypeVar
from urllib.parse import urlencode

from django.contrib import messages
from django.db.models import Exists, Model, OuterRef, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone

from families.models import Child, Custody, Guardian, Household
from families.visibility import VisibleQuerySet
from portal.database import trials
from portal.database.composed import Composed, Given
from portal.web import interrupted
from portal.web.posted import posted_number
from portal.web.signed_in import SignedInRequest

# In the session; in forms and in links of mails.
SESSION_KEY = "chosen_household"
FIELD = "foyer"

Row = TypeVar("Row", bound=Model)
Rows = TypeVar("Rows", bound=QuerySet[Any, Any])


def several(request: HttpRequest) -> bool:
    """Whether who asks belongs to several households; asks nothing of the database."""
    user = getattr(request, "user", None)  # none where a request is answered before anybody is looked for
    return user is not None and user.is_authenticated and user.several_homes


def belongs_to_several() -> Exists:
    """Of rows of logins: whether it is an adult's of several households."""
    return Exists(Guardian.objects.filter(user=OuterRef("pk")).order_by("pk")[1:])


def guardians(request: SignedInRequest) -> list[Guardian]:
    """Who asks, in each of their households; one query a page."""
    kept: dict[str, Any] = vars(request)
    if "_guardians" not in kept:
        kept["_guardians"] = _guardians_of(user=request.user.pk)
    found: list[Guardian] = kept["_guardians"]
    return found


@Composed
def _guardians_of() -> "QuerySet[Guardian]":
    mine = Guardian.objects.filter(user=Given("user"))
    if (tried := trials.current()) is not None:
        mine = mine.filter(household=tried.household)
    return mine.select_related("household", "user").order_by("pk")


def find(request: SignedInRequest) -> Guardian | None:
    """Who asks, in the household that is shown; None for who belongs to none."""
    mine = guardians(request)
    if len(mine) > 1:
        wanted = request.session.get(SESSION_KEY)
        return next((one for one in mine if one.household_id == wanted), mine[0])
    return mine[0] if mine else None


def guardian(request: SignedInRequest) -> Guardian:
    """Who asks, in the household that is shown. Raises Http404 for who belongs to none."""
    found = find(request)
    if found is None:
        raise Http404
    return found


def household(request: SignedInRequest) -> Household:
    """The household that is shown. Raises Http404 for who belongs to none."""
    return guardian(request).household


def row(request: SignedInRequest, rows: QuerySet[Row], **lookup: Any) -> Row:
    """One of `rows`, which are visible to who asks; where it is the other household's, that one is shown from
    then on. Raises Http404."""
    found = get_object_or_404(rows, **lookup)
    follow(request, found, rows)
    return found


def rows(request: SignedInRequest, visible: Rows) -> Rows:
    """Of rows visible to who asks, those of the household that is shown; who belongs to one pays no query."""
    if not several(request):
        return visible
    return visible.filter(**{_path(visible) or "pk": household(request).pk})


def follow(request: SignedInRequest, found: Model, rows: QuerySet[Any]) -> None:
    """From now on the page shows the household of this one of `rows`."""
    if not several(request):
        return
    homes = _homes(found, rows, timezone.localdate())
    if household(request).pk not in homes:
        show(request, next(one.household_id for one in guardians(request) if one.household_id in homes))


def _homes(found: Model, rows: QuerySet[Any], today: date) -> set[int]:
    if isinstance(found, Child):
        return set(Custody.objects.on(today).filter(child=found).values_list("household_id", flat=True))
    path = _path(rows)
    home = reduce(getattr, path.split("__"), found) if path else found
    return {home.pk}


def _path(rows: QuerySet[Any]) -> str:
    return rows.of_household if isinstance(rows, VisibleQuerySet) else "household"


def show(request: SignedInRequest, key: int | None) -> bool:
    """Shows this household (by key) from now on; False where it is none of who asks."""
    if key not in {one.household_id for one in guardians(request)}:
        return False
    if household(request).pk != key:
        request.session[SESSION_KEY] = key
    return True


def mark(key: int) -> str:
    """What a link of a mail adds to its address, so that the page shows this household."""
    return urlencode({FIELD: key})


class ChosenHouseholdMiddleware:
    """Holds what a form and a link of a mail name; stands after LoginRequiredMiddleware and messages."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(
        self, request: SignedInRequest, view: Any, args: Any, kwargs: Any
    ) -> HttpResponse | None:
        if not getattr(view, "login_required", True) or is_desk(request) or not several(request):
            return None
        if request.method == "POST":
            return self._posted(request)
        kept = interrupted.waiting(request)
        if kept is not None:
            show(request, posted_number(kept.get(FIELD, "")))
        elif FIELD in request.GET:
            show(request, posted_number(request.GET[FIELD]))
            query = request.GET.copy()
            del query[FIELD]
            return redirect(f"{request.path}?{query.urlencode()}" if query else request.path)
        return None

    def _posted(self, request: SignedInRequest) -> HttpResponse | None:
        """The household that the form was shown for. A form shown while there was but one names none: for
        which one it was meant nobody knows."""
        if FIELD not in request.POST:
            return render(request, "families/which_household.html", status=409)
        before = household(request).pk
        if not show(request, posted_number(request.POST[FIELD])):
            raise Http404
        now = household(request)
        match = request.resolver_match
        if now.pk != before and match is not None and match.url_name != "choose_household":
            messages.info(
                request, f"Cette page était celle du foyer n°\xa0{now.number} : c'est lui qui est affiché."
            )
        return None


def is_desk(request: HttpRequest) -> bool:
    """Whether a page of the town hall's is asked for, which shows no household as one's own."""
    match = request.resolver_match
    return match is not None and "admin" in match.namespaces
