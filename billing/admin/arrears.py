"""« Impayés : décisions » at the desk: of whom one may decide, the preview, the decision, and its end."""

from datetime import date
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from billing.admin.once import AlreadySent, OnceForm
from billing.models import ArrearsDecision
from billing.reminders import arrears
from billing.reminders.arrears import ArrearsRefused, DecisionChanged, Wanted
from billing.rules.arrears import CANTEEN_IS_A_RIGHT, Stops
from families.desk_cells import DecidedBy, HouseholdLink, person
from families.desk_links import guardian_names, household_link
from families.models import Household
from families.signing_in.asking_again import ask_again
from portal.desk.choices import SeveralRows
from portal.desk.pages import OwnPages, ShownOnly
from portal.desk.site import DeskLink, Queue
from portal.french.amounts import euros
from portal.french.dates import short_day
from portal.french.day_fields import NearDateField
from portal.french.plurals import counted
from portal.reservations.models import Activity, SchoolYear
from portal.web.form_fields import field_of
from portal.web.signed_in import SignedInRequest

A_PAGE = 100
PROPOSED = (
    "Des factures restent à payer malgré nos relances. Parlons-en : un échéancier ou une aide sont souvent"
    " possibles."
)


class DecideForm(OnceForm):
    stops = forms.ChoiceField(
        label="Ce que la décision arrête",
        choices=ArrearsDecision.Kind.choices,
        initial=Stops.LATE,
        widget=forms.RadioSelect,
        help_text="Les jours déjà réservés restent dans tous les cas.",
    )
    activities = SeveralRows(
        Activity.objects.none(),
        label="Activités",
        widget=forms.CheckboxSelectMultiple,
        help_text=f"{CANTEEN_IS_A_RIGHT} Où l'on peut arrêter davantage se choisit dans les réglages de la"
        " facturation.",
    )
    school_year = forms.ModelChoiceField(
        SchoolYear.objects.none(),
        label="Année scolaire",
        required=False,
        help_text="Seulement pour arrêter les inscriptions d'une année.",
    )
    until = NearDateField(
        label="Jusqu'au",
        required=False,
        help_text="Vide : jusqu'au paiement, si votre commune le veut ainsi.",
    )
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

    def __init__(self, *args: Any, today: date, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        activities = field_of(self, "activities", SeveralRows)
        activities.queryset = Activity.objects.filter(active=True)
        years = field_of(self, "school_year", forms.ModelChoiceField)
        years.queryset = SchoolYear.objects.filter(ends_on__gte=today).order_by("starts_on")

    @property
    def wanted(self) -> Wanted:
        """What a valid form asks for."""
        said = self.cleaned_data
        return Wanted(
            Stops(said["stops"]),
            list(said["activities"]),
            said["sentence"],
            said["reason"],
            said["until"],
            said["school_year"],
        )


class TakeBackForm(OnceForm):
    reason = forms.CharField(
        label="Motif",
        max_length=300,
        widget=forms.TextInput(attrs={"size": 60}),
        help_text="Pour vos collègues. La famille est prévenue que la décision est levée.",
    )


class StandingFilter(admin.SimpleListFilter):
    title = "état"
    parameter_name = "etat"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("en-cours", "En cours"), ("finies", "Finies")]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        standing = ArrearsDecision.objects.standing(timezone.localdate()).values("pk")
        if self.value() == "en-cours":
            return queryset.filter(pk__in=standing)
        return queryset.exclude(pk__in=standing) if self.value() == "finies" else queryset


def _standing(request: HttpRequest) -> QuerySet[ArrearsDecision]:
    return ArrearsDecision.objects.standing(timezone.localdate())


@admin.register(ArrearsDecision)
class ArrearsDecisionAdmin(
    DecidedBy,
    HouseholdLink,
    ShownOnly[ArrearsDecision],
    OwnPages[ArrearsDecision],
):
    desk_order = 30
    work_queues = (
        Queue(
            "Décisions d'impayés en cours",
            _standing,
            query="etat=en-cours",
            order=80,
            hint="Le paiement ou une date y met fin ; un agent peut les lever à tout moment.",
        ),
    )
    desk_links = (
        DeskLink(
            "Décider d'impayés",
            "billing_arrearsdecision_find",
            arrears.RIGHT,
            "après relances : arrêter des jours à venir",
        ),
    )
    list_display = (
        "household_link",
        "stops",
        "activities_named",
        "left_shown",
        "since",
        "end_shown",
        "decided_by_name",
    )
    list_display_links = ("stops",)
    list_filter = (StandingFilter, "stops")
    list_select_related = ("decided_by",)
    search_fields = ("household__guardians__last_name", "sentence", "reason")
    fields = readonly_fields = (
        "household_link",
        "stops",
        "activities_named",
        "school_year",
        "invoices_named",
        "left_shown",
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
    change_form_template = "admin/billing/arrears_decision.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[ArrearsDecision]:
        return super().get_queryset(request).prefetch_related("activities")

    @admin.display(description="activités")
    def activities_named(self, obj: ArrearsDecision) -> str:
        return ", ".join(str(one) for one in obj.activities.all())

    @admin.display(description="restait à payer", ordering="left")
    def left_shown(self, obj: ArrearsDecision) -> str:
        return euros(obj.left)

    @admin.display(description="fin")
    def end_shown(self, obj: ArrearsDecision) -> str:
        if obj.ended_at is not None:
            day = short_day(timezone.localdate(obj.ended_at), year=True)
            return f"{obj.get_ended_because_display().capitalize()}, le {day}"
        day = f"le {short_day(obj.until, year=True)}" if obj.until else ""
        if obj.ends_when_paid:
            return "Au paiement" + (f", au plus tard {day}" if day else "")
        return day.capitalize()

    @admin.display(description="factures")
    def invoices_named(self, obj: ArrearsDecision) -> str:
        return ", ".join(one.number for one in obj.invoices.order_by("year", "sequence"))

    @admin.display(description="levée par")
    def ended_by_name(self, obj: ArrearsDecision) -> str:
        return person(obj.ended_by)

    def beside(self, request: HttpRequest, row: ArrearsDecision) -> dict[str, Any]:
        return {"may_take_back": row.ended_at is None and request.user.has_perm(arrears.TAKE_BACK)}

    # Pages of its own --------------------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("decider/", wrap(self.find), name="billing_arrearsdecision_find"),
            path("decider/<int:household>/", wrap(self.decide), name="billing_arrearsdecision_decide"),
            path("<int:pk>/lever/", wrap(self.take_back), name="billing_arrearsdecision_take_back"),
            *super().get_urls(),
        ]

    def find(self, request: HttpRequest) -> HttpResponse:
        """The households that were reminded often and long enough, who owes most first."""
        self.demand(request, arrears.RIGHT)
        page = Paginator(arrears.to_decide(timezone.localdate()), A_PAGE).get_page(request.GET.get("page"))
        adults = guardian_names(one.household for one in page)
        context = {
            "page": page,
            "rows": [
                (
                    household_link(one.household),
                    adults[one.household],
                    one,
                    euros(one.left),
                    counted(one.invoices, "facture", "factures"),
                )
                for one in page
            ],
        }
        return self.page(request, "admin/billing/arrears_find.html", "Décider d'impayés", context)

    def decide(self, request: SignedInRequest, household: int) -> HttpResponse:
        """What is stopped, the preview with whom it concerns, then the decision."""
        self.demand(request, arrears.RIGHT)
        ask_again(request)
        home = get_object_or_404(Household, pk=household)
        back, at = reverse("admin:billing_arrearsdecision_find"), timezone.now()
        today = timezone.localdate(at)
        if why := arrears.hindrance(home, today):
            messages.error(request, why)
            return redirect(back)
        form = DecideForm(request.POST or None, today=today)
        found = None
        if request.method == "POST" and form.is_valid():
            try:
                if "confirmed" in request.POST:
                    with form.once():
                        made = arrears.decide(
                            home, form.wanted, seen=request.POST.get("vu", ""), by=request.user, at=at
                        )
                    messages.success(request, f"{made} : la famille est prévenue.")
                    return redirect("admin:billing_arrearsdecision_change", made.pk)
                found = arrears.foresee(home, form.wanted, at=at)
            except AlreadySent as twice:
                messages.warning(request, str(twice))
                return redirect("admin:billing_arrearsdecision_changelist")
            except DecisionChanged as changed:
                form.add_error(None, str(changed))
                found = arrears.foresee(home, form.wanted, at=at)
            except ArrearsRefused as refusal:
                form.add_error(None, str(refusal))
        context = {
            "form": form,
            "back": back,
            "lead": f"Foyer n°\xa0{home.number}, {guardian_names([home.pk])[home.pk]}. Une décision est la"
            " vôtre : elle porte votre nom, et la famille la lit avec sa date.",
            "found": found,
            "left": found and euros(found.left),
            "owed": found
            and [(one.number, euros(one.left), one.reminders, one.reminded_on) for one in found.owed],
            "standing": found and found.standing and arrears.counted_days(found.standing),
        }
        return self.page(request, "admin/billing/arrears_decide.html", "Décider d'impayés", context)

    def take_back(self, request: SignedInRequest, pk: int) -> HttpResponse:
        """« Lever la décision »."""
        self.demand(request, arrears.TAKE_BACK)
        ask_again(request)
        decision = get_object_or_404(self.get_queryset(request), pk=pk)
        back = reverse("admin:billing_arrearsdecision_change", args=[pk])
        if decision.ended_at is not None:
            messages.info(request, "Cette décision est déjà finie.")
            return redirect(back)
        form = TakeBackForm(request.POST or None)
        if request.method == "POST" and form.is_valid():

            def act() -> str:
                reason, at = form.cleaned_data["reason"], timezone.now()
                arrears.take_back(decision, reason=reason, by=request.user, at=at)
                return "La décision est levée, la famille est prévenue."

            if form.done(request, act, ArrearsRefused):
                return redirect(back)
        context = {
            "form": form,
            "back": back,
            "button": "Lever la décision",
            "lead": f"Foyer n°\xa0{decision.household.number} : {decision}. Dès maintenant, la famille"
            " réserve et inscrit comme les autres.",
        }
        return self.page(request, "admin/billing/form.html", "Lever la décision", context)
