"""The desk's pages of custody: who lives where, and the end of it, with what becomes of the days to come."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from families.custody import ending, openings
from families.custody.ending import Future
from families.desk_cells import HouseholdLink
from families.desk_links import shown_to
from families.models import AlreadyAnswered, Custody, Household
from portal.database import history
from portal.desk import rights
from portal.desk.choices import TolerantChoices
from portal.desk.decisions import Decidable, Decision
from portal.desk.lists import NumberSearch
from portal.desk.pages import OwnPages, WithHistory, log_all
from portal.french import moments
from portal.french.dates import short_day
from portal.french.day_fields import NearDateField
from portal.web.form_fields import field_of
from portal.web.signed_in import SignedInRequest

NOTHING = "rien de réservé, aucune inscription"


# The way to the end of a custody is for who may end one.
NEEDS = {"ends": (ending.RIGHT,)}


class ShownCustodies(TolerantChoices[Custody]):
    """Custodies on the page of a child or of a household: one is added there, and waits where somebody has to
    confirm it; it ends on a page of its own."""

    model = Custody
    extra = 0
    readonly_fields = ("since", "until", "ends")
    can_delete = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Custody]:
        rows = super().get_queryset(request).select_related("child", "household")
        return in_homes_seen(request.user, rows)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return shown_to(request.user, super().get_fields(request, obj), NEEDS)

    @admin.display(description="fin de garde")
    def ends(self, obj: Custody) -> SafeString | str:
        return end_link(obj)


def in_homes_seen(user: Any, custodies: QuerySet[Custody]) -> QuerySet[Custody]:
    """Those in a household that a right of `user` reaches: a child's other home may be nobody's business."""
    homes = Household.objects.all()
    seen = rights.seen_by(user, homes, "families.view_household", "families.change_household")
    return custodies if seen is homes else custodies.filter(household__in=seen.order_by().values("pk"))


def end_link(custody: Custody) -> SafeString | str:
    """« Mettre fin… », unless it is over."""
    if custody.pk is None:
        return "–"
    if not custody.holds_on(timezone.localdate()):
        return "terminée"
    url = reverse("admin:families_custody_end", args=[custody.pk])
    who = f"{custody.child} dans le {custody.household}"
    return format_html('<a href="{}" aria-label="Mettre fin… : {}">Mettre fin…</a>', url, who)


def ask_homes(request: SignedInRequest, custodies: list[Custody]) -> None:
    """Asks for the custodies that were added on a page; says what happens next."""
    for custody in custodies:
        try:
            opening = openings.ask_home(custody.child, custody.household, by=request.user, at=timezone.now())
        except openings.OpeningRefused as refusal:
            messages.error(request, str(refusal))
        else:
            if opening is None:
                messages.success(request, f"{custody.child} vit maintenant dans le {custody.household}.")
            else:
                messages.warning(request, f"{custody.child}, {custody.household} : {WAITS}")


WAITS = "la demande est envoyée, elle attend qu'un responsable déjà connu, ou un autre agent, la confirme."


class EndingForm(forms.Form):
    """What becomes of what is to come, and why."""

    future = forms.ChoiceField(
        label="Que deviennent les jours à venir et les inscriptions ?", widget=forms.RadioSelect
    )
    until = NearDateField(
        label="Dernier jour dans ce foyer",
        required=False,
        help_text="Pour « Garder jusqu'à une date » seulement : jusqu'à ce jour, rien ne change.",
    )
    note = forms.CharField(
        label="Motif, pour la mairie",
        widget=forms.TextInput(attrs={"class": "vTextField"}),
        max_length=history.REASON_LENGTH,
        help_text="Gardé dans l'historique, jamais envoyé aux familles. Ainsi : jugement du 3 novembre.",
    )

    def __init__(self, data: Any, *, takers: list[Household]) -> None:
        super().__init__(data)
        self.takers = {f"{Future.HAND_OVER}:{home.pk}": home for home in takers}
        handed = [
            (
                key,
                f"Confier au foyer n°\xa0{home.number} ({_adults(home)}), qui reprend jours et inscriptions",
            )
            for key, home in self.takers.items()
        ]
        kept = [(one.value, one.label) for one in (Future.CANCEL, Future.KEEP)]
        field_of(self, "future", forms.ChoiceField).choices = [*handed, *kept]

    def clean(self) -> dict[str, Any]:
        said = super().clean() or {}
        if said.get("future") == Future.KEEP and not said.get("until") and "until" not in self.errors:
            self.add_error("until", "Indiquez le dernier jour dans ce foyer.")
        return said

    def ending(self) -> ending.Ending:
        """What was chosen."""
        said, today = self.cleaned_data, timezone.localdate()
        if said["future"] == Future.KEEP:
            return ending.Ending(said["until"] + ending.A_DAY, Future.KEEP, note=said["note"])
        taker = self.takers.get(said["future"])
        future = Future.CANCEL if taker is None else Future.HAND_OVER
        return ending.Ending(today, future, taker, said["note"])


def _adults(home: Household) -> str:
    return ", ".join(str(guardian) for guardian in home.guardians.all()) or "aucun responsable"


@admin.register(Custody)
class CustodyAdmin(
    HouseholdLink, NumberSearch[Custody], Decidable[Custody], WithHistory[Custody], OwnPages[Custody]
):
    """Which child lives where; custodies are added on the page of the child or of the household."""

    desk_order = 6
    list_display = ("child", "household_link", "since", "until", "ends")
    list_display_links = ("child",)
    list_select_related = ("child", "household")
    search_fields = ("child__folded",)
    search_help_text = "Nom d'un enfant ou numéro de foyer"
    ordering = ("child__last_name", "child__first_name", "pk")
    actions = ("reopen_selected",)
    decisions = (Decision("reopen_selected", "Rouvrir cette garde"),)
    fields = readonly_fields = ("child", "household_link", "since", "until", "ends")

    def get_list_display(self, request: HttpRequest) -> Any:
        return shown_to(request.user, super().get_list_display(request), NEEDS)

    def get_fields(self, request: HttpRequest, obj: Custody | None = None) -> Any:
        return shown_to(request.user, super().get_fields(request, obj), NEEDS)

    def waits(self, obj: Custody) -> bool:
        return not obj.holds_on(timezone.localdate())

    @admin.action(description="Rouvrir", permissions=["decide"])
    def reopen_selected(self, request: SignedInRequest, queryset: QuerySet[Custody]) -> None:
        """The child comes back: asked for anew, as any other home is."""
        ask_homes(request, list(queryset.select_related("child", "household")))

    @admin.display(description="fin de garde")
    def ends(self, obj: Custody) -> SafeString | str:
        return end_link(obj)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.end)
        return [path("<int:pk>/fin/", view, name="families_custody_end"), *super().get_urls()]

    def end(self, request: SignedInRequest, pk: int) -> HttpResponse:
        """What there is to come, the choice, the reason; then it is done at once, and told."""
        self.demand(request, ending.RIGHT)
        own = rights.seen_by(request.user, Custody.objects.select_related("child", "household"), ending.RIGHT)
        custody = get_object_or_404(own, pk=pk)
        back = reverse("admin:families_child_change", args=[custody.child_id])
        today = timezone.localdate()
        if not custody.holds_on(today):
            messages.info(request, f"{custody.child} ne vit déjà plus dans ce foyer.")
            return redirect(back)
        takers = ending.takers(custody, today)
        form = EndingForm(request.POST if request.method == "POST" else None, takers=takers)
        if request.method == "POST" and form.is_valid():
            try:
                done = ending.end(custody, form.ending(), by=request.user, at=timezone.now())
            except (ending.EndingRefused, AlreadyAnswered) as refusal:
                form.add_error(None, str(refusal))
            else:
                log_all(request, [done.child, done.household], f"Fin de garde : {form.cleaned_data['note']}")
                messages.success(request, _done(done, today))
                return redirect(back)
        first = ending.first_free(today, today)
        found = ending.counts(custody, first)
        context = {
            "custody": custody,
            "found": moments.listing(found) if found else NOTHING,
            "form": form,
            "back": back,
            "today": short_day(today, year=True),
        }
        return self.page(request, "admin/families/custody_end.html", "Mettre fin à une garde", context)


def _done(custody: Custody, today: Any) -> str:
    who = f"{custody.child}, {custody.household}"
    if custody.until is None or custody.until <= today:
        return f"{who} : la garde est terminée, les deux foyers sont prévenus."
    last = short_day(custody.until - ending.A_DAY, year=True)
    return f"{who} : la garde dure jusqu'au {last}, les deux foyers sont prévenus."
