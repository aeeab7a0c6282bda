"""« Réserver pour une famille » and « Voir comme la famille »: the families' own pages, under an address of
the household.

    …/famille/<household>/agir/<address>     the shared steps; what is passed over has a reason
    …/famille/<household>/voir/<address>     what the family sees: GET only, nothing is written

No page is written twice: what stands after the prefix is resolved as it is for families, and every address on
the page stands under the prefix again. Only the pages named here are reached.
"""

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from datetime import date
from typing import Any

from django.contrib import messages
from django.contrib.sessions.backends.signed_cookies import SessionStore
from django.db import transaction
from django.db.models import QuerySet
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import SimpleTemplateResponse
from django.urls import ResolverMatch, URLPattern, path, resolve, reverse
from django.utils import timezone

from families import desk_actions, desk_links, which_home
from families.as_family import Part
from families.custody import own
from families.models import Child, Custody, Guardian, Household, Reading
from families.traces import reading
from portal.database.composed import Composed, Given, GivenMany
from portal.desk import rights
from portal.desk.pages import OwnPages
from portal.desk.site import DeskLink
from portal.reservations.acts import overriding
from portal.reservations.desk import whom
from portal.reservations.desk.looked_at import only_shown
from portal.reservations.models import Booking, Enrolment, SchoolYear
from portal.reservations.pages.acting import Acting
from portal.reservations.pages.services import SERVICES
from portal.web.signed_in import SignedInRequest
from portal.web.under import Band, under

# Of an address: the page of what a child is enrolled for, though there is but one thing to choose.
CHOOSES = "choisir"
SEES = "families.see_as_family_reading"
SEES_HEALTH = "families.view_childhealth"
SEES_MONEY = "billing.view_invoice"

# The steps that the town hall takes for a family; of each service besides, where one begins and the planning.
STEPS = frozenset(
    f"reservations:{name}"
    for name in ("validation", "recording", "detail", "abandon", "cancel_days", "change")
)
OF_A_SERVICE = ("choose_reservation", "book", "start", "planning")

# What a family sees. Not here: whatever pays or names a bank account, links that work by themselves (an own
# calendar, a copy of the data), its letters, what belongs to a login
# (passwords, factors, sessions) and files.
SEEN = frozenset(
    (
        "home",
        "reservations:all",
        "reservations:detail",
        "families:household",
        "families:authorisations",
        "families:chronicle",
        "families:reminders",
        "families:access",
        "families:custody_calendar",
        "families:quotient",
    )
)
# And with a right of their own: a child's page says what its health file does. Where no child is named, the
# right has to hold in the whole town.
SEEN_WITH = {
    "families:child": SEES_HEALTH,
    "families:health": SEES_HEALTH,
    "families:papers": SEES_HEALTH,
    "billing:account": SEES_MONEY,
    "billing:carried": SEES_MONEY,
    "billing:invoices": SEES_MONEY,
    "billing:invoice": SEES_MONEY,
}
SEEN_OF_A_SERVICE = ("enrolment", "choose_reservation", "start", "planning")


class ActsForFamilies(OwnPages[Booking]):
    """The pages of the desk on which families' own pages are shown."""

    desk_links = (
        DeskLink(
            "Réserver pour une famille",
            "reservations_booking_whom",
            overriding.ACTS,
            "Au téléphone ou au guichet : réserver, annuler ou changer des jours, aussi hors délai.",
            order=20,
        ),
    )

    def get_urls(self) -> list[URLPattern]:
        pages: Sequence[tuple[str, Callable[..., HttpResponse], str]] = (
            ("famille/", self.whom, "whom"),
            ("famille/<int:household>/<int:child>/", self.which_activity, "for_child"),
            ("famille/<int:household>/agir/", self.act, "act"),
            ("famille/<int:household>/agir/<path:address>", self.act, "act_on"),
            ("famille/<int:household>/voir/", self.see, "see"),
            ("famille/<int:household>/voir/<path:address>", self.see, "see_page"),
        )
        own_pages = [
            path(where, self.admin_site.admin_view(view), name=f"reservations_booking_{name}")
            for where, view, name in pages
        ]
        return [*own_pages, *super().get_urls()]

    # Acting -------------------------------------------------------------------------------------------------

    def whom(self, request: SignedInRequest) -> HttpResponse:
        """Which child, by its name."""
        self.demand(request, overriding.ACTS)
        words = request.GET.get("q", "").strip()
        everybody = Child.objects.filter(erased_at=None, joined_to=None)
        children = list(whom.called(rights.seen_by(request.user, everybody, overriding.ACTS), words))
        homes: dict[int, list[tuple[Household, str]]] = {child.pk: [] for child in children}
        custodies = Custody.objects.on(timezone.localdate()).filter(child__in=homes)
        for one in custodies.select_related("household").order_by("pk"):
            homes[one.child_id].append((one.household, for_child(one.household_id, one.child_id)))
        context = {"words": words, "found": [(child, homes[child.pk]) for child in children]}
        return self.page(request, "admin/reservations/act_for.html", "Réserver pour une famille", context)

    def which_activity(self, request: SignedInRequest, household: int, child: int) -> HttpResponse:
        """Of a child, which enrolment, to book or to cancel."""
        self.demand(request, overriding.ACTS)
        home = self._household(request, household, overriding.ACTS)
        children = Child.objects.living_in(home, timezone.localdate())
        found = get_object_or_404(rights.seen_by(request.user, children, overriding.ACTS), pk=child)
        acting = Acting(home, request.user, desk_links.household_page(home.pk))
        enrolments = acting.kept(_enrolments_of(home, [found.pk]))
        prefix = prefix_of("act", home.pk)
        lines = []
        for one in enrolments:
            if one.activity.service in SERVICES:
                with under(prefix):
                    start = reverse(f"{one.activity.service}:start", args=[one.pk])
                lines.append((one, start, f"{start}?annulation"))
        if len(lines) == 1 and CHOOSES not in request.GET:
            return redirect(lines[0][1])  # nothing to choose
        context = {
            "child": found,
            "household": home,
            "enrolments": lines,
            "enrol": f"{reverse('admin:reservations_enrolment_enrol')}?enfant={found.pk}",
            "see": prefix_of("see", home.pk) if request.user.has_perm(SEES) else "",
            "may_enrol": request.user.has_perm("reservations.change_enrolment"),
        }
        return self.page(request, "admin/reservations/act_for_child.html", f"Réserver pour {found}", context)

    def act(self, request: SignedInRequest, household: int, address: str = "") -> HttpResponse:
        """One of the shared steps, for this household."""
        self.demand(request, overriding.ACTS)
        whose = self._household(request, household, overriding.ACTS)
        own.check(request.user, {whose.pk}, right=overriding.ACTS, at=timezone.now())
        home = desk_links.household_page(whose.pk)
        if not address:
            return redirect(home)
        match = _resolved(address)
        services = {f"{slug}:{name}" for slug in SERVICES for name in OF_A_SERVICE}
        if match.view_name not in STEPS | services:
            messages.info(request, "Cette page se traite sur la fiche du foyer.")
            return redirect(home)
        inner = _inner(request, match)
        inner.acting = Acting(whose, request.user, home)
        said = f"Vous agissez pour le foyer {whose.number}."
        inner.band = Band(said, home, "Fiche du foyer", "Retour à la fiche du foyer")
        return _shown(inner, match, prefix_of("act", whose.pk))

    # Seeing -------------------------------------------------------------------------------------------------

    def see(self, request: SignedInRequest, household: int, address: str = "") -> HttpResponse:
        """What an adult of this household sees; noted in the register, and nothing else is written."""
        self.demand(request, SEES)
        whose = self._household(request, household, SEES)
        if request.method not in ("GET", "HEAD"):
            messages.info(request, "« Voir comme la famille » ne change rien.")
            return redirect(prefix_of("see", whose.pk))
        home = desk_links.household_page(whose.pk)
        adult = _adult(whose, request.GET.get("adulte", ""))
        if adult is None:
            messages.info(request, "Personne de ce foyer n'a de compte en ligne.")
            return redirect(home)
        match = _resolved(address)
        right = SEEN_WITH.get(match.view_name)
        of_child = "child_id" in match.kwargs
        if not _is_seen(request.user, match):
            messages.info(request, "Cette page de la famille ne se montre pas ici.")
            return redirect(prefix_of("see", whose.pk) if address else home)
        children = Child.objects.living_in(whose, timezone.localdate())
        if of_child:
            children = children.filter(pk=match.kwargs["child_id"])
            child = get_object_or_404(children)
            if right is not None and not rights.may(request.user, child, right):
                raise Http404
        reading.note(request, Reading.Kind.AS_FAMILY, household=whose)
        if right == SEES_HEALTH:
            for child in children:
                reading.note(request, Reading.Kind.HEALTH, child=child)
        inner = _inner(request, match)
        inner.shown = _shown_to(request.user)
        inner.user = adult.user
        # As the login's backend says it; the page is this household's whichever else there are.
        inner.user.several_homes = Guardian.objects.filter(user=adult.user).count() > 1
        inner.session = SessionStore()
        inner.session[which_home.SESSION_KEY] = whose.pk
        inner.band = Band(
            f"Vous voyez les pages du foyer {whose.number} comme {adult}. Rien ne s'enregistre.",
            home,
            "Revenir à la fiche",
        )
        with transaction.atomic():
            answer = _shown(inner, match, prefix_of("see", whose.pk))
            transaction.set_rollback(True)  # whatever a page of families keeps as it is opened
        _quiet(answer, request.user, prefix_of("see", whose.pk))
        if inner.session[which_home.SESSION_KEY] != whose.pk:
            raise Http404  # the same adult's other household
        return answer

    def _household(self, request: SignedInRequest, key: int, right: str) -> Household:
        rows = rights.seen_by(request.user, Household.objects.filter(joined_to=None), right)
        return get_object_or_404(rows, pk=key)


def prefix_of(page: str, household: int) -> str:
    """Under which a family's addresses stand at the desk."""
    return reverse(f"admin:reservations_booking_{page}", args=[household])


def for_child(household: int, child: int) -> str:
    """Where one begins to act for a child."""
    return reverse("admin:reservations_booking_for_child", args=[household, child])


def _resolved(address: str) -> ResolverMatch:
    """The family's page at this address, which its own pages know with a « / » before it; 404 for none."""
    match = resolve(f"/{address}")
    if "admin" in match.namespaces:
        raise Http404
    return match


def _inner(request: SignedInRequest, match: ResolverMatch) -> Any:
    inner = copy(request)
    vars(inner).pop("_guardians", None)
    inner.resolver_match = match
    return inner


def _holds_everywhere(user: Any, right: str) -> bool:
    """What is not of one child alone is shown to who may read it of all."""
    return user.has_perm(right) and right not in rights.held_in_part_by(user)


def _is_seen(user: Any, match: ResolverMatch) -> bool:
    """Whether this page of families is shown to somebody."""
    name = match.view_name
    if name in SEEN or name in {f"{slug}:{one}" for slug in SERVICES for one in SEEN_OF_A_SERVICE}:
        return True
    right = SEEN_WITH.get(name)
    if right is None:
        return False
    return bool(user.has_perm(right)) if "child_id" in match.kwargs else _holds_everywhere(user, right)


def _quiet(answer: HttpResponse, user: Any, prefix: str) -> None:
    """What leads nowhere on a page that is looked at is disabled."""
    if answer.streaming or not answer.get("Content-Type", "").startswith("text/html"):
        return
    known: dict[str, bool] = {}

    def leads(address: str) -> bool:
        if address not in known:
            try:
                known[address] = _is_seen(user, _resolved(address))
            except Http404:
                known[address] = False
        return known[address]

    answer.content = only_shown(answer.content.decode(), prefix, leads)


def _shown_to(user: Any) -> frozenset[Part]:
    """Of pages that show several things at once; never the letters, which are their reader's."""
    asked = {Part.MONEY: SEES_MONEY, Part.PAPERS: SEES_HEALTH}
    return frozenset(part for part, right in asked.items() if _holds_everywhere(user, right))


def _shown(inner: Any, match: ResolverMatch, prefix: str) -> HttpResponse:
    """The page, with all its addresses under `prefix`."""
    with under(prefix):
        answer: HttpResponse = match.func(inner, *match.args, **match.kwargs)
        if isinstance(answer, SimpleTemplateResponse) and not answer.is_rendered:
            answer.render()
    return answer


def _adult(household: Household, asked: str) -> Guardian | None:
    """Who has a login: the one asked for, or else the first."""
    adults = list(
        Guardian.objects.filter(household=household, user__isnull=False, user__is_active=True)
        .select_related("user", "household")
        .order_by("pk")
    )
    return next((one for one in adults if str(one.pk) == asked), adults[0] if adults else None)


def _enrolments_of(household: Household, children: Sequence[int]) -> list[Enrolment]:
    if not children:
        return []
    return _accepted_of(timezone.localdate(), home=household.pk, children=children)


@Composed
def _accepted_of(today: date) -> "QuerySet[Enrolment]":
    return (
        Enrolment.objects.of_home(Given("home"), today)
        .accepted()
        .filter(child__pk__among=GivenMany("children"), school_year__in=SchoolYear.objects.serving(today))
        .select_related("activity", "school_year", "establishment", "household", "child")
        .order_by("activity__order", "pk")
    )


# Buttons of the household's page ----------------------------------------------------------------------------


def _book(user: Any, household: Household, children: Sequence[Child]) -> Mapping[int, str]:
    """Of the children that are enrolled."""
    keys = {one.child_id for one in _enrolments_of(household, [child.pk for child in children])}
    return {key: for_child(household.pk, key) for key in keys}


def _enrol(user: Any, household: Household, children: Sequence[Child]) -> Mapping[int, str]:
    page = reverse("admin:reservations_enrolment_enrol")
    return {child.pk: f"{page}?enfant={child.pk}" for child in children}


def _see(user: Any, household: Household) -> str:
    return prefix_of("see", household.pk)


def register_buttons() -> None:
    """Once the app is ready."""
    desk_actions.for_children("reserver", "Réserver, annuler", (overriding.ACTS,), _book, order=10)
    desk_actions.for_children("inscrire", "Inscrire", ("reservations.change_enrolment",), _enrol, order=20)
    desk_actions.for_household("voir", "Voir comme la famille", (SEES,), _see, order=90)
