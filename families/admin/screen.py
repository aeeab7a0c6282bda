"""A household at the desk on one screen: what a call asks, buttons for what one does, a tab for each subject.

Nothing is typed there: a block leads to the part of the form that changes what it says (`PARTS`).
"""

from dataclasses import dataclass
from datetime import date
from typing import Any

from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.options import InlineModelAdmin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from families import desk_actions, household_screen
from families.desk_links import household_link, household_page
from families.household_screen import Screen, Tab
from families.models import Child, Custody, FamilyQuotient, Guardian, HomeChange, Household
from portal.database.composed import Composed, Given
from portal.desk import rights
from portal.desk.decisions import DecisionButtons
from portal.desk.rights import Seen
from portal.french.dates import short_day
from portal.web.posted import posted_number
from portal.web.signed_in import SignedInRequest, signed_in

TAB = "onglet"
PART = "modifier"
WHOLE = "tout"
SAVES_AND_STAYS = ("_continue", "_addanother")


@dataclass(frozen=True)
class Part:
    """What of the form a block's « Modifier » opens: these fields, and these rows typed beside it."""

    title: str
    fields: tuple[str, ...] = ()
    rows: type[Any] | None = None
    tab: Tab = Tab.OVERVIEW


PARTS = {
    "adresse": Part(
        "Adresse",
        ("street", "street_more", "postcode", "city", "resident", "resident_since", "moves"),
        tab=Tab.FILE,
    ),
    "notes": Part("Notes du service", ("notes",), tab=Tab.FILE),
    "responsables": Part("Responsables", rows=Guardian),
    "enfants": Part("Enfants", rows=Custody),
    "quotients": Part("Quotients familiaux", rows=FamilyQuotient, tab=Tab.FILE),
}


def change_page(household: Household, part: str) -> str:
    """The address of a part of the form."""
    return f"{household_page(household.pk)}?{PART}={part}"


def tab_page(household: Household, tab: Tab) -> str:
    """The address of a tab."""
    page = household_page(household.pk)
    return f"{page}?{TAB}={tab.value}" if tab.value else page


def part_of(request: HttpRequest) -> Part | None:
    """The part that was asked for; None: the whole form."""
    return PARTS.get(request.GET.get(PART, ""))


class OneScreen(DecisionButtons[Household]):
    """A household's page is its screen; its form opens part by part, and whole where it is asked for."""

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        if request.method == "GET" and PART not in request.GET:
            home = self._shown(request, object_id)
            if home is not None:
                return self._screen(signed_in(request), home)
        part = part_of(request)
        told: dict[str, Any] = {"part": part, "screen_url": request.path}
        if part is not None:
            told |= {
                "decisions": (),
                "show_save_and_add_another": False,
                "show_save_and_continue": False,
            }
        return super().change_view(request, object_id, form_url, told | (extra_context or {}))

    def get_fieldsets(self, request: HttpRequest, obj: Household | None = None) -> Any:
        """Of one part of the form, the fields of this part."""
        found = super().get_fieldsets(request, obj)
        part = part_of(request)
        if obj is None or part is None:
            return found
        kept = [
            (title, options | {"fields": [name for name in options["fields"] if name in part.fields]})
            for title, options in found
        ]
        return [(title, options) for title, options in kept if options["fields"]]

    def get_inlines(
        self, request: HttpRequest, obj: Household | None
    ) -> list[type[InlineModelAdmin[Any, Household]]]:
        found = list(super().get_inlines(request, obj))
        part = part_of(request)
        if obj is None or part is None:
            return found
        return [inline for inline in found if inline.model is part.rows]

    def response_change(self, request: HttpRequest, obj: Household) -> HttpResponse:
        """Back to the screen, where what was changed is read."""
        answer = super().response_change(request, obj)
        part = part_of(request)
        stays = any(name in request.POST for name in SAVES_AND_STAYS)
        if PART not in request.GET or stays or isinstance(answer, TemplateResponse):
            return answer
        return redirect(tab_page(obj, part.tab if part else Tab.OVERVIEW))

    def known_twins(self, home: Household) -> Any:
        """Whether a child of a household that waits is known elsewhere, in words."""
        raise NotImplementedError

    # The screen -------------------------------------------------------------------------------------------

    def _shown(self, request: HttpRequest, object_id: str) -> Household | None:
        """The household, read for its screen; None where the form answers: refusals, and what was joined to
        another household, of which nothing is done any more."""
        key = posted_number(object_id)
        if key is None or not self.has_view_permission(request):
            return None
        found = rights.read(request.user, _home, (self.right_for("view"),), key=key)
        return found[0] if found else None

    def _screen(self, request: SignedInRequest, home: Household) -> HttpResponse:
        at = timezone.now()
        today = timezone.localdate(at)
        screen = Screen(request, home, self._children(request.user, home, today), at, today)
        tabs = household_screen.tabs(screen)
        asked = request.GET.get(TAB, "")
        tab = next((one for one in tabs if one.value == asked), Tab.OVERVIEW)
        context = self.admin_site.each_context(request) | {
            "title": f"{home} – {tab.label}" if tab.value else str(home),
            "opts": self.opts,
            "home": home,
            "names": ", ".join(map(str, household_screen.adults(home))),
            "tabs": [(one.label, tab_page(home, one), one is tab) for one in tabs],
            "buttons": desk_actions.of_household(request.user, home),
            "blocks": household_screen.shown(screen, tab),
            "is_overview": tab is Tab.OVERVIEW,
            "decisions": self.buttons_for(request, home),
            "known_twins": self.known_twins(home) if self.waits(home) else "",
            "checkbox_name": ACTION_CHECKBOX_NAME,
            "may_change": self.has_change_permission(request),
            "whole_form": change_page(home, WHOLE),
            "change_address": change_page(home, "adresse"),
        }
        return TemplateResponse(request, "admin/families/household.html", context)

    def _children(self, user: Any, home: Household, today: Any) -> list[Child]:
        """With what is said of each on its line."""
        if not user.has_perm("families.view_child"):
            return []
        health, codes = user.has_perm("families.view_childhealth"), household_screen.columns_of(user)
        return rights.read(user, _living, ("families.view_child",), today, health, codes, home=home.pk)


@Composed
def _home(seen: Seen) -> "QuerySet[Household]":
    rows = Household.objects.filter(erased_at=None, joined_to=None, pk=Given("key"))
    return seen(rows, "families.view_household", "families.change_household")


@Composed
def _living(seen: Seen, today: date, health: bool, codes: tuple[str, ...]) -> "QuerySet[Child]":
    related = ("diet_choice__diet", "health") if health else ("diet_choice__diet",)
    living = Child.objects.living_in(Given("home"), today).select_related(*related)
    told_of = household_screen.with_columns(living, codes, today)
    return seen(told_of, "families.view_child", "families.change_child").order_by("birth_date", "pk")


def home_change(row: HomeChange, home: Household) -> SafeString:
    """« Réuni avec le foyer n° 000123 le 9 novembre 2026, par Nadia Fournier : inscrits deux fois »."""
    kept, joined = row.household_id == home.pk, row.kind == HomeChange.Kind.JOINED
    words = {
        (True, True): "Réuni : le foyer n°\xa0{} a rejoint celui-ci",
        (True, False): "Réuni avec le foyer n°\xa0{}",
        (False, True): "Séparation : départ vers le foyer n°\xa0{}",
        (False, False): "Séparation : arrivée depuis le foyer n°\xa0{}",
    }[joined, kept]
    link = household_link(row.other_id if kept else row.household_id)
    when = short_day(timezone.localdate(row.at), year=True)
    return format_html(words + " le {}, par {} : {}", link, when, row.by_name, row.reason)
