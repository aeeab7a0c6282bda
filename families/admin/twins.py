"""« Rattacher aux enfants déjà connus »: which of the children known is meant, on a page of its own."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Prefetch, QuerySet, prefetch_related_objects
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from families import approval
from families.admin.custody import WAITS
from families.custody import openings
from families.desk_links import household_page
from families.models import Child, Custody, Household
from portal.desk import rights
from portal.desk.decisions import Decision
from portal.desk.pages import Decides, OwnPages, log_all
from portal.french.dates import short_day
from portal.web.signed_in import SignedInRequest

NOBODY = "aucun"
ONE_AT_A_TIME = "Rattachez un foyer à la fois : chaque enfant est à reconnaître."


class TwinsForm(forms.Form):
    """For each child of the household, the child known elsewhere that it is, or none of them."""

    def __init__(self, data: Any, *, twins: list[approval.Twins]) -> None:
        super().__init__(data)
        self.twins = twins
        for one in twins:
            several = len(one.known) > 1
            self.fields[self._name(one)] = forms.ChoiceField(
                label=f"{one.child}, né(e) le {short_day(one.child.birth_date, year=True)}",
                choices=[
                    *((str(known.pk), _in_words(known)) for known in one.known),
                    (NOBODY, "Aucun de ces enfants : ne pas rattacher"),
                ],
                widget=forms.RadioSelect,
                initial=None if several else str(one.known[0].pk),
                help_text="Plusieurs enfants portent ce nom : choisissez." if several else "",
            )

    def _name(self, one: approval.Twins) -> str:
        return f"enfant-{one.child.pk}"

    def chosen(self) -> list[tuple[Child, Child]]:
        """(the household's own child, the one that it is)."""
        pairs = []
        for one in self.twins:
            key = self.cleaned_data[self._name(one)]
            pairs += [(one.child, known) for known in one.known if str(known.pk) == key]
        return pairs


def _in_words(child: Child) -> str:
    """« Lina Roux : Foyer n° 000012 (Camille Roux, 3 rue des Lilas) »."""
    homes = [custody.household for custody in child.custodies.all()]
    said = " ; ".join(f"{home} ({_adults(home)}, {home.street}, {home.city})" for home in homes)
    return f"{child} : {said or 'aucun foyer'}"


def _adults(home: Household) -> str:
    return ", ".join(map(str, home.guardians.all())) or "aucun responsable"


def with_homes(twins: list[approval.Twins]) -> list[approval.Twins]:
    """The same, the homes of those known read at once."""
    homes = Custody.objects.on(timezone.localdate()).select_related("household")
    prefetch_related_objects(
        [known for one in twins for known in one.known],
        Prefetch("custodies", homes.prefetch_related("household__guardians")),
    )
    return twins


class JoinsKnown(OwnPages[Household], Decides[Household]):
    """The page, and the button that leads to it."""

    join = Decision("join_known_children", "Rattacher aux enfants déjà connus")

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.join_page)
        return [path("<int:pk>/rattacher/", view, name="families_household_join"), *super().get_urls()]

    @admin.action(description="Rattacher aux enfants déjà connus…", permissions=["decide"])
    def join_known_children(
        self, request: SignedInRequest, queryset: QuerySet[Household]
    ) -> HttpResponse | None:
        homes = list(queryset[:2])
        if len(homes) == 1:
            return self._ask(
                request, homes[0], TwinsForm(None, twins=with_homes(approval.known_twins(homes[0])))
            )
        messages.warning(request, ONE_AT_A_TIME)
        return None

    def join_page(self, request: SignedInRequest, pk: int) -> HttpResponse:
        """Every match with its households; nothing is chosen where there are several."""
        self.demand(request, "families.change_household")
        own = rights.seen_by(request.user, Household.objects.all(), "families.change_household")
        home = get_object_or_404(own, pk=pk)
        form = TwinsForm(
            request.POST if request.method == "POST" else None, twins=with_homes(approval.known_twins(home))
        )
        if request.method != "POST" or not form.is_valid():
            return self._ask(request, home, form)
        back = redirect(household_page(pk))
        chosen = form.chosen()
        for copy, known in chosen:
            self._join(request, home, copy, known)
        if not chosen:
            messages.info(request, "Aucun enfant n'est rattaché.")
        return back

    def _join(self, request: SignedInRequest, home: Household, copy: Child, known: Child) -> None:
        if approval.is_used(copy):
            messages.warning(request, f"{copy} a déjà des inscriptions dans ce foyer et n'est pas rattaché.")
            return
        try:
            openings.ask_home(known, home, copy=copy, by=request.user, at=timezone.now())
        except openings.OpeningRefused as refusal:
            messages.error(request, str(refusal))
        else:
            log_all(request, [home], f"Rattachement demandé : {known}.")
            messages.warning(request, f"{known} : {WAITS}")

    def _ask(self, request: SignedInRequest, home: Household, form: TwinsForm) -> HttpResponse:
        context = {
            "form": form,
            "home": home,
            "action": reverse("admin:families_household_join", args=[home.pk]),
            "back": household_page(home.pk),
        }
        return self.page(request, "admin/families/twins.html", "Rattacher aux enfants déjà connus", context)

    @admin.display(description="enfants déjà connus")
    def twins(self, obj: Household) -> SafeString | str:
        found = approval.known_twins(obj) if obj.pk else []
        if not found:
            return "aucun"
        lines = (
            (reverse("admin:families_child_change", args=[known.pk]), str(known))
            for one in found
            for known in one.known
        )
        links = format_html_join(", ", '<a href="{}">{}</a>', lines)
        return format_html(
            "{} : même nom, même date de naissance. Parents séparés, homonymes, ou second compte ?", links
        )
