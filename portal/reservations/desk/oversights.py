"""Oversights at the desk: what an activity counts, of whom one may decide, the decision, and its end."""

from datetime import date, datetime, timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from families.custody.own import OwnHousehold
from families.desk_cells import DecidedBy, HouseholdLink, person
from families.desk_links import household_link
from families.models import Child, Household
from families.signing_in.asking_again import ask_again
from portal.desk import previews
from portal.desk.choices import TolerantChoices
from portal.desk.pages import OwnPages, ShownOnly
from portal.desk.previews import Preview, ShowsPreview, Table, Typed
from portal.desk.site import DeskAdmin, DeskLink
from portal.french import moments
from portal.french.day_fields import NearDateField
from portal.french.plurals import counted
from portal.reservations.acts import oversights
from portal.reservations.acts.oversights import OversightRefused, Wanted
from portal.reservations.day_rules import oversights as rules
from portal.reservations.day_rules.oversights import Stops, in_words
from portal.reservations.models import Activity, OversightDecision, OversightRule
from portal.web.signed_in import SignedInRequest

A_PAGE = 100
USUAL = timedelta(days=30)
PROPOSED = (
    "Plusieurs jours n'ont pas été réservés, ou pas annulés à temps. Parlons-en : nous trouverons une"
    " solution."
)


@admin.register(OversightRule)
class OversightRuleAdmin(
    ShowsPreview[OversightRule], TolerantChoices[OversightRule], DeskAdmin[OversightRule]
):
    desk_order = 27
    list_display = ("activity", "valid_from", "number", "per", "sentence")
    list_filter = ("activity",)
    list_select_related = ("activity",)
    search_fields = ("activity__name",)
    autocomplete_fields = ("activity",)
    fieldsets = (
        (
            None,
            {
                "fields": ("activity", "valid_from", "number", "per", "unreserved", "missed", "late"),
                "description": "Le portail compte, prévient la famille et ne décide de rien : à partir de ce "
                "nombre, un agent peut décider, dans « Décider d'oublis ».",
            },
        ),
    )

    @admin.display(description="en clair")
    def sentence(self, obj: OversightRule) -> str:
        return " ".join(in_words(obj.rule()))

    def preview(self, typed: Typed[OversightRule], request: HttpRequest, at: datetime) -> Preview:
        """What a family reads, oversight by oversight."""
        rule = typed.row.rule()
        shown = []
        for count in range(max(rule.number - 2, 0), rule.number + 1):
            said = rules.warning(rule, count, str(typed.row.activity)) or "rien"
            may = "oui" if rules.may_decide(rule, count) else "non"
            head = counted(count, "oubli", "oublis") if count else "Aucun oubli"
            shown.append(previews.row(head, said, may))
        heads = ("L'enfant a", "La famille lit", "Un agent peut décider")
        return Preview(in_words(rule), tables=[Table("D'un oubli à l'autre", heads, shown)])


class DecideForm(forms.Form):
    stops = forms.ChoiceField(
        label="Ce que la décision arrête",
        choices=OversightDecision.Kind.choices,
        initial=Stops.LATE,
        widget=forms.RadioSelect,
        help_text="Les jours déjà réservés restent dans tous les cas. La cantine d'une école publique est un "
        "droit de chaque élève : n'y arrêtez que les jours hors délai.",
    )
    until = NearDateField(label="Jusqu'au")
    sentence = forms.CharField(
        label="Ce que la famille lit",
        max_length=300,
        initial=PROPOSED,
        widget=forms.Textarea(attrs={"rows": 3}),
    )
    reason = forms.CharField(
        label="Motif",
        max_length=300,
        widget=forms.TextInput(attrs={"size": 60}),
        help_text="Pour vos collègues : la famille ne le lit pas ici.",
    )

    def wanted(self, activity: Activity) -> Wanted:
        """What a valid form asks for."""
        said = self.cleaned_data
        return Wanted(activity, Stops(said["stops"]), said["until"], said["sentence"], said["reason"])


class TakeBackForm(forms.Form):
    reason = forms.CharField(
        label="Motif",
        max_length=300,
        widget=forms.TextInput(attrs={"size": 60}),
        help_text="Pour vos collègues. La famille est prévenue que la décision est levée.",
    )


@admin.register(OversightDecision)
class OversightDecisionAdmin(
    DecidedBy,
    HouseholdLink,
    ShownOnly[OversightDecision],
    OwnPages[OversightDecision],
):
    desk_order = 28
    desk_links = (
        DeskLink(
            "Décider d'oublis",
            "reservations_oversightdecision_find",
            oversights.RIGHT,
            "après plusieurs oublis : arrêter des jours à venir",
        ),
    )
    list_display = (
        "child",
        "household_link",
        "activity",
        "stops",
        "count",
        "since",
        "end_shown",
        "decided_by_name",
    )
    list_filter = ("activity", "stops")
    list_select_related = ("child", "activity", "decided_by")
    search_fields = ("child__folded", "sentence", "reason")
    fields = readonly_fields = (
        "child",
        "household_link",
        "activity",
        "stops",
        "count",
        "since",
        "end_shown",
        "sentence",
        "reason",
        "decided_at",
        "decided_by_name",
        "ended_at",
        "ended_by_name",
        "end_reason",
    )
    change_form_template = "admin/reservations/oversight_decision.html"

    @admin.display(description="fin", ordering="until")
    def end_shown(self, obj: OversightDecision) -> str:
        if obj.ended_at is not None:
            return f"Levée le {moments.day(timezone.localdate(obj.ended_at), year=True)}"
        return f"Le {moments.day(obj.until, year=True)}"

    @admin.display(description="levée par")
    def ended_by_name(self, obj: OversightDecision) -> str:
        return person(obj.ended_by)

    def beside(self, request: HttpRequest, row: OversightDecision) -> dict[str, Any]:
        over = row.ended_at is not None or row.until < timezone.localdate()
        return {"may_take_back": not over and request.user.has_perm(oversights.TAKE_BACK)}

    # Pages of its own ------------------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("decider/", wrap(self.find), name="reservations_oversightdecision_find"),
            path(
                "decider/<int:household>/<int:child>/<int:activity>/",
                wrap(self.decide),
                name="reservations_oversightdecision_decide",
            ),
            path("<int:pk>/lever/", wrap(self.take_back), name="reservations_oversightdecision_take_back"),
            *super().get_urls(),
        ]

    def find(self, request: HttpRequest) -> HttpResponse:
        """The children with enough oversights, who has most first."""
        self.demand(request, oversights.RIGHT)
        page = Paginator(oversights.to_decide(timezone.localdate()), A_PAGE).get_page(request.GET.get("page"))
        context = {
            "page": page,
            "rows": [
                (
                    one.child,
                    household_link(one.forgotten.key[0]),
                    one.forgotten,
                    reverse("admin:reservations_oversightdecision_decide", args=one.forgotten.key),
                    one.decided,
                )
                for one in page
            ],
        }
        return self.page(request, "admin/reservations/oversights_find.html", "Décider d'oublis", context)

    def decide(self, request: SignedInRequest, household: int, child: int, activity: int) -> HttpResponse:
        """The days that count, what is stopped until when, then the decision."""
        self.demand(request, oversights.RIGHT)
        ask_again(request)
        home, whose = get_object_or_404(Household, pk=household), get_object_or_404(Child, pk=child)
        where, at = get_object_or_404(Activity, pk=activity), timezone.now()
        today = timezone.localdate(at)
        if why := oversights.hindrance(home, whose, where, today):
            messages.error(request, why)
            return redirect("admin:reservations_oversightdecision_find")
        form = DecideForm(request.POST or None, initial={"until": _usual_end(today)})
        if request.method == "POST" and form.is_valid():
            try:
                made = oversights.decide(home, whose, form.wanted(where), by=request.user, at=at)
                messages.success(request, f"{made} : la famille est prévenue.")
                return redirect("admin:reservations_oversightdecision_change", made.pk)
            except (OversightRefused, OwnHousehold) as refusal:
                form.add_error(None, str(refusal))
        found = oversights.of_child(home, whose, where, today)
        context = {
            "form": form,
            "back": reverse("admin:reservations_oversightdecision_find"),
            "button": "Décider",
            "lead": f"{whose}, {where}. Une décision est la vôtre : elle porte votre nom, et la famille la"
            " lit avec sa date.",
            "listed": found.listed if found else [],
        }
        return self.page(request, "admin/reservations/oversights_form.html", "Décider d'oublis", context)

    def take_back(self, request: SignedInRequest, pk: int) -> HttpResponse:
        """« Lever la décision »."""
        self.demand(request, oversights.TAKE_BACK)
        ask_again(request)
        decision = get_object_or_404(self.get_queryset(request), pk=pk)
        back = reverse("admin:reservations_oversightdecision_change", args=[pk])
        form = TakeBackForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            try:
                reason = form.cleaned_data["reason"]
                oversights.take_back(decision, reason=reason, by=request.user, at=timezone.now())
                messages.success(request, "La décision est levée, la famille est prévenue.")
                return redirect(back)
            except (OversightRefused, OwnHousehold) as refusal:
                form.add_error(None, str(refusal))
        context = {
            "form": form,
            "back": back,
            "button": "Lever la décision",
            "lead": f"{decision.child}, {decision.activity} : {decision}.",
            "listed": [],
        }
        return self.page(request, "admin/reservations/oversights_form.html", "Lever la décision", context)


def _usual_end(today: date) -> date:
    return today + USUAL
