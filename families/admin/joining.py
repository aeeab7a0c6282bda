"""The desk's pages that join two households into one, and what was joined or parted before."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from families.admin.foreseen import CHANGED, Asks, called, reason_field
from families.admin.parting import PartsHomes
from families.desk_cells import HouseholdLink
from families.desk_links import household_link, household_page
from families.joining import alike, joining
from families.joining.joining import RIGHT, Foreseen, Joining
from families.models import HomeChange, Household
from families.signing_in.asking_again import ask_again
from portal.desk import rights
from portal.desk.lists import NumberSearch
from portal.desk.pages import ShownOnly, log_all
from portal.web.posted import posted_number
from portal.web.signed_in import SignedInRequest

NEEDED = (RIGHT, "families.change_household")
MOST_FOUND = 20


class JoinForm(Asks):
    """What has to be decided, as the preview asks it, and why the households are joined."""

    reason = reason_field("Indiquez pourquoi ces foyers sont réunis.")
    shown = forms.CharField(widget=forms.HiddenInput, required=False)

    def __init__(self, data: Any, *, asked: Joining, foreseen: Foreseen) -> None:
        super().__init__(data)
        self.ask(foreseen.choices, asked.answers, required=True)


@admin.register(HomeChange)
class HomeChangeAdmin(PartsHomes, HouseholdLink, NumberSearch[HomeChange], ShownOnly[HomeChange]):
    """What was joined and parted; the pages that do it are opened from a household's."""

    desk_order = 83
    list_display = ("at", "kind", "household_link", "other_link", "by_name", "reason")
    list_display_links = ("at",)
    list_filter = ("kind",)
    list_select_related = ("household", "other")
    search_fields = ("household__guardians__folded",)
    search_help_text = "Numéro d'un des deux foyers, nom d'un responsable"
    number_fields = ("household_id", "other_id")
    fields = readonly_fields = (
        "kind",
        "household_link",
        "other_link",
        "at",
        "by_name",
        "reason",
        "said_lines",
    )

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.join_page)
        return [path("reunir/<int:pk>/", view, name="families_homechange_join"), *super().get_urls()]

    @admin.display(description="autre foyer", ordering="other_id")
    def other_link(self, obj: HomeChange) -> SafeString:
        return household_link(obj.other_id)

    @admin.display(description="ce qui a été fait")
    def said_lines(self, obj: HomeChange) -> SafeString | str:
        lines = format_html_join("", "<li>{}</li>", ((line,) for line in obj.said))
        return format_html('<ul class="desk-rows">{}</ul>', lines) if obj.said else "–"

    # Joining

    def join_page(self, request: SignedInRequest, pk: int) -> HttpResponse:
        """Which other household, then what joining both would do, then the act."""
        self.demand(request, *NEEDED)
        kept = get_object_or_404(self._homes(request), pk=pk)
        given = request.POST if request.method == "POST" else request.GET
        other = posted_number(given.get("avec", ""))
        if other is None or other == kept.pk:
            return self._choose(request, kept)
        emptied = get_object_or_404(self._homes(request), pk=other)
        if kept.joined_to_id or emptied.joined_to_id:
            messages.info(request, joining.sentence_of(kept) or joining.sentence_of(emptied))
            return redirect(household_page(kept.joined_to_id or emptied.joined_to_id or kept.pk))
        return self._preview(request, kept, emptied)

    def _homes(self, request: SignedInRequest) -> QuerySet[Household]:
        there = Household.objects.filter(erased_at=None).select_related("joined_to")
        return rights.seen_by(request.user, there, "families.change_household")

    def _choose(self, request: SignedInRequest, kept: Household) -> HttpResponse:
        typed = request.GET.get("q", "").strip()
        homes = self._homes(request).filter(joined_to=None).exclude(pk=kept.pk).prefetch_related("guardians")
        found: list[Household] = []
        if typed:
            found = list(called(self.admin_site, request, homes, typed).order_by("-pk")[:MOST_FOUND])
        proposed = {one.pk for one in alike.of_household(kept)}
        context = {
            "kept": kept,
            "typed": typed,
            "found": found,
            "proposed": list(homes.filter(pk__in=proposed).order_by("pk")),
            "back": household_page(kept.pk),
            "most": MOST_FOUND,
        }
        return self.page(request, "admin/families/join_choose.html", "Réunir avec un autre foyer", context)

    def _preview(self, request: SignedInRequest, kept: Household, emptied: Household) -> HttpResponse:
        at = timezone.now()
        posted = request.POST if request.method == "POST" else None
        asked = joining.read(kept, emptied, posted.dict() if posted is not None else {})
        foreseen = joining.foresee(asked, at=at)
        form = JoinForm(posted, asked=asked, foreseen=foreseen)
        if posted is not None and "_join" in posted and form.is_valid():
            if form.cleaned_data["shown"] != foreseen.fingerprint:
                form.add_error(None, CHANGED)
            elif not foreseen.obstacles:
                ask_again(request)
                try:
                    done = joining.join(
                        asked,
                        foreseen.fingerprint,
                        reason=form.cleaned_data["reason"],
                        by=request.user,
                        at=at,
                    )
                except joining.JoiningRefused as refusal:
                    form.add_error(None, str(refusal))
                    asked = joining.read(kept, emptied, posted.dict())
                    foreseen = joining.foresee(asked, at=at)
                else:
                    return self._done(request, done)
        elif posted is not None and "_join" not in posted:
            form.errors.pop("reason", None)
        context = {
            "kept": kept,
            "emptied": emptied,
            "adults": {home.pk: ", ".join(map(str, home.guardians.all())) for home in (kept, emptied)},
            "foreseen": foreseen,
            "sections": list(foreseen.sections.items()),
            "form": form,
            "way_back": joining.NO_WAY_BACK,
            "swapped": f"{reverse('admin:families_homechange_join', args=[emptied.pk])}?avec={kept.pk}",
            "back": household_page(kept.pk),
        }
        return self.page(request, "admin/families/join.html", "Réunir deux foyers", context)

    def _done(self, request: SignedInRequest, done: HomeChange) -> HttpResponse:
        log_all(request, [done.household, done.other], f"{done}. Motif : {done.reason}")
        messages.success(
            request,
            f"Le foyer n°\xa0{done.other.number} est réuni avec celui-ci. Ses adultes sont prévenus, son "
            "numéro mène ici.",
        )
        return redirect(household_page(done.household_id))
