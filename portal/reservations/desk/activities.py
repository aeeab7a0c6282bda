"""What families can enrol for: activities with their formulas and capacities, periods and their slots."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

from django import forms
from django.apps import apps
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import QuerySet, prefetch_related_objects
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from portal.desk import own_choices
from portal.desk.choices import TolerantChoices
from portal.desk.columns import TypedColumns
from portal.desk.decisions import confirm_page
from portal.desk.pages import WithHistory, log_all
from portal.desk.previews import Preview, ShowsPreview, Typed
from portal.desk.site import M
from portal.french import moments
from portal.french.dates import WEEKDAYS
from portal.french.day_fields import HourInput
from portal.french.plurals import counted
from portal.models import Town
from portal.reservations.acts import opening
from portal.reservations.days import first_days
from portal.reservations.days.rule_preview import overlapping_periods
from portal.reservations.desk import activity_preview
from portal.reservations.desk.deadlines import ActivityDeadlineForm
from portal.reservations.desk.guarding import AsksBeforeClosing
from portal.reservations.desk.paper_preview import TriesPapers
from portal.reservations.models import (
    Activity,
    ActivityDeadline,
    ActivityPaper,
    ActivityText,
    Advance,
    Capacity,
    Establishment,
    Formula,
    Part,
    Period,
    PeriodOpening,
    Slot,
)
from portal.reservations.models.campaigns import publics
from portal.web.posted import posted_number
from portal.web.signed_in import SignedInRequest


def services() -> list[tuple[str, str]]:
    """The services installed: an app that offers one names it `SERVICE` in its models."""
    named = [
        (getattr(app.models_module, "SERVICE", None), str(app.verbose_name)) for app in apps.get_app_configs()
    ]
    return [(service, name) for service, name in named if service is not None]


class ActivityForm(forms.ModelForm[Activity]):
    service = forms.ChoiceField(label="Service", choices=services)
    zones = forms.MultipleChoiceField(
        label="Zones de vacances scolaires",
        choices=Town.Zone.choices,
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="Aucune : celle de la commune. De plusieurs, l'activité accueille les enfants de chacune.",
    )

    class Meta:
        model = Activity
        fields = ("service", "zones")


FORMULA_FIELDS = (
    "name",
    "code",
    "parts",
    "with_meal",
    "starts_at",
    "ends_at",
    "min_age",
    "max_age",
    "first_grade",
    "last_grade",
    "order",
    "active",
)


class FormulaForm(forms.ModelForm[Formula]):
    parts = forms.MultipleChoiceField(
        label="Parties de la journée occupées", choices=Part.choices, widget=forms.CheckboxSelectMultiple
    )

    class Meta:
        model = Formula
        fields = FORMULA_FIELDS
        widgets = {"starts_at": HourInput, "ends_at": HourInput}


class OfActivity(TypedColumns, admin.TabularInline[M, Activity]):
    """An inline of an activity whose lists of choices are read once, not once a row."""

    extra = 0
    named_by: tuple[str, ...] = ()

    def get_queryset(self, request: HttpRequest) -> QuerySet[M]:
        return super().get_queryset(request).select_related(*self.named_by)

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name in ("formula", "period"):
            # Only this activity's: another's would never be read.
            chosen = db_field.remote_field.model.objects.filter(activity=_activity_shown(request))
            kwargs["queryset"] = chosen
        field = super().formfield_for_foreignkey(db_field, request, **kwargs)
        if field is not None:
            field.choices = list(field.iterator(field))
        return field


class SomethingToBook(forms.BaseInlineFormSet[Formula, Activity, forms.ModelForm[Formula]]):
    """An activity that families are offered has a formula: without one there is nothing to tick."""

    def clean(self) -> None:
        super().clean()
        kept = [
            one.cleaned_data
            for one in self.forms
            if getattr(one, "cleaned_data", None) and not one.cleaned_data.get("DELETE")
        ]
        if self.instance.active and not kept and not any(self.errors):
            raise ValidationError(
                "Indiquez au moins une formule, par exemple « Repas » : sans formule, les familles "
                "n'auraient rien à réserver. Ou décochez « Proposée » le temps de préparer l'activité."
            )


class FormulaInline(OfActivity[Formula]):
    model = Formula
    form = FormulaForm
    formset = SomethingToBook
    prepopulated_fields = {"code": ("name",)}
    fields = FORMULA_FIELDS


class CapacityInline(OfActivity[Capacity]):
    model = Capacity
    named_by = ("establishment",)
    fields = ("establishment", "part", "formula", "places")


class PeriodInline(OfActivity[Period]):
    """Its days; when it opens and closes stands on its own page."""

    model = Period
    prepopulated_fields = {"code": ("name",)}
    fields = ("name", "code", "school_year", "starts_on", "ends_on")
    show_change_link = True


class DeadlineInline(OfActivity[ActivityDeadline]):
    """Which rule holds; surcharges stand on the deadline's own page."""

    model = ActivityDeadline
    form = ActivityDeadlineForm
    named_by = ("rule",)
    fields = ("action", "rule", "formula", "period", "late")
    show_change_link = True


class PaperInline(OfActivity[ActivityPaper]):
    """What it asks of who is enrolled: a paper is given once for all activities that ask for it."""

    model = ActivityPaper
    verbose_name_plural = "papiers demandés"
    named_by = ("kind",)
    fields = ("kind", "without", "counts")


class TextInline(OfActivity[ActivityText]):
    """What families accept for it, once for all activities that ask for it."""

    model = ActivityText
    verbose_name_plural = "textes à accepter"
    named_by = ("text",)
    fields = ("text",)


class AdvanceInline(OfActivity[Advance]):
    """What is paid before a place is given. The town that fills nothing in asks for nothing."""

    model = Advance
    verbose_name_plural = "paiement avant la place"
    named_by = ("period",)
    fields = ("kind", "percent", "minutes", "alert_below", "period")


def _activity_shown(request: HttpRequest) -> Any:
    """The key of the activity whose page, or preview, is shown; None on the page that adds one."""
    match = request.resolver_match
    return (match and match.kwargs.get("object_id")) or posted_number(request.GET.get("regle", ""))


@admin.register(Activity)
class ActivityAdmin(
    ShowsPreview[Activity],
    TriesPapers,
    AsksBeforeClosing[Activity],
    TolerantChoices[Activity],
    WithHistory[Activity],
):
    desk_order = 20
    list_display = ("name", "service", "processing", "during", "active", "order")
    list_filter = ("service", "active", "during")
    search_fields = ("name", "code")
    form = ActivityForm
    inlines = (
        FormulaInline,
        CapacityInline,
        DeadlineInline,
        PaperInline,
        TextInline,
        AdvanceInline,
        # Last: it grows by a handful of rows a year.
        PeriodInline,
    )
    prepopulated_fields = {"code": ("name",)}
    autocomplete_fields = ("establishments",)
    fieldsets = (
        (None, {"fields": ("name", "code", "service", "description", "active", "order")}),
        ("Où et quand", {"fields": ("establishments", "weekdays", "during", "zones")}),
        (
            "Traitement des demandes",
            {
                "fields": (
                    "enrolment_processing",
                    "effect",
                    "effect_days",
                    "families_end",
                    "processing",
                    "cancel_processing",
                    "waiting_list",
                    "offer_hours",
                )
            },
        ),
        (
            "Conditions",
            {
                "fields": (
                    "min_age",
                    "max_age",
                    "age_counts",
                    "first_grade",
                    "last_grade",
                    "health_file_required",
                ),
                "description": "La classe du jour réservé compte, et l'âge de ce jour sauf s'il est compté "
                "à une date fixe. La classe est celle de l'année "
                "scolaire ; son nom dit son niveau (« CE1-CE2 »), sinon maternelle, élémentaire ou collège.",
            },
        ),
    )
    change_form_template = "admin/reservations/activity.html"
    preview_lives = False
    preview_hint = (
        "« Aperçu » dit quels enfants seraient accueillis, à partir de quand une inscription compterait et ce"
        " que des familles paieraient avant la place."
    )

    def get_prepopulated_fields(self, request: HttpRequest, obj: Any = None) -> dict[str, Any]:
        # A code that stands is named in files and links: it no longer follows the name.
        return {} if obj else super().get_prepopulated_fields(request, obj)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        # Asked for: a Wednesday that nobody unticked opened canteens on days without class.
        return {"weekdays": 0, **super().get_changeform_initial_data(request)}

    def preview(self, typed: Typed[Activity], request: HttpRequest, at: datetime) -> Preview:
        return activity_preview.preview(typed, request.user, at)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        activity = form.instance
        if activity.active and not activity.periods.exists():
            messages.warning(
                request,
                f"« {activity} » n'a pas encore de période : jusque-là, aucun jour ne peut être réservé.",
            )


class PeriodOpeningInline(TypedColumns, admin.TabularInline[PeriodOpening, Period]):
    model = PeriodOpening
    extra = 0
    verbose_name_plural = "Ouverture aux publics de la ville : compte avant « commune » et « hors commune »"
    fields = ("audience", "opens_at")

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field = super().formfield_for_foreignkey(db_field, request, **kwargs)
        if field is not None:
            field.choices = list(field.iterator(field))
        return field


@admin.register(Period)
class PeriodAdmin(AsksBeforeClosing[Period], TolerantChoices[Period], WithHistory[Period]):
    desk_order = 21
    list_display = ("name", "activity", "school_year", "starts_on", "ends_on", "opens_at", "closes_at")
    list_filter = ("activity", "school_year")
    list_select_related = ("activity", "school_year")
    search_fields = ("name", "code", "activity__name")
    date_hierarchy = "starts_on"
    ordering = ("-starts_on", "activity__order", "name")
    actions = ("open_selected",)
    prepopulated_fields = {"code": ("name",)}
    autocomplete_fields = ("activity", "school_year", "establishments")
    fieldsets = (
        (None, {"fields": ("activity", "school_year", "name", "code", "establishments")}),
        ("Jours", {"fields": ("starts_on", "ends_on")}),
        ("Réservation", {"fields": ("opens_at", "opens_at_non_residents", "closes_at")}),
    )

    def get_prepopulated_fields(self, request: HttpRequest, obj: Any = None) -> dict[str, Any]:
        return {} if obj else super().get_prepopulated_fields(request, obj)

    def get_inlines(self, request: HttpRequest, obj: Period | None) -> list[Any]:
        """A town without audiences of its own has no line for them."""
        return [*super().get_inlines(request, obj), *([PeriodOpeningInline] if publics() else [])]

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        for text in overlapping_periods(form.instance):
            messages.warning(request, text)

    def has_open_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(self.right_for("open"))

    def right_for(self, verb: str) -> str:
        return "reservations.add_slot" if verb == "open" else super().right_for(verb)

    def get_form(
        self, request: HttpRequest, obj: Period | None = None, change: bool = False, **kwargs: Any
    ) -> Any:
        form = super().get_form(request, obj, change=change, **kwargs)
        own_choices.require(form, request.user, "establishments", self.right_for("change"))
        return form

    @admin.action(description="Ouvrir les créneaux…", permissions=["open"])
    def open_selected(self, request: SignedInRequest, queryset: QuerySet[Period]) -> HttpResponse | None:
        at = timezone.now()
        if "confirmed" in request.POST:
            count = sum(opening.open_slots(period, at=at) for period in queryset)
            log_all(request, queryset, "Créneaux ouverts.")
            text = counted(count, "créneau ouvert", "créneaux ouverts")
            self.message_user(request, f"{text}.", messages.SUCCESS if count else messages.WARNING)
            return None
        schools = list(Establishment.objects.filter(kind=Establishment.Kind.SCHOOL, active=True))
        previews = [
            (period, _by_establishment(period.activity, opening.missing_slots(period, at=at), schools))
            for period in queryset
        ]
        return confirm_page(
            self,
            request,
            queryset,
            action="open_selected",
            title="Ouvrir les créneaux",
            button="Ouvrir les créneaux",
            template="admin/reservations/open_slots.html",
            previews=previews,
            count=sum(place.count for _, places in previews for place in places),
        )


@dataclass(frozen=True)
class PlaceToOpen:
    """What opening a period opens somewhere: `days` is « 31 lundis et 33 mardis », `doubt` what is rarely
    meant."""

    name: str
    count: int
    days: str
    doubt: str


def _by_establishment(
    activity: Activity, slots: list[Slot], schools: list[Establishment]
) -> list[PlaceToOpen]:
    found = []
    prefetch_related_objects(
        list({slot.establishment_id: slot.establishment for slot in slots}.values()), "schools"
    )
    for place, own in groupby(slots, key=lambda slot: slot.establishment):
        its = list(own)
        weekdays = Counter(day.weekday() for day in {slot.day for slot in its})
        days = [
            counted(weekdays[day], name, f"{name}s") for day, name in enumerate(WEEKDAYS) if weekdays[day]
        ]
        served = {school.pk for school in place.schools.all()}
        own_schools = [school for school in schools if not served or school.pk in served]
        empty = first_days.weekdays_without_class(activity, place, own_schools)
        named = moments.listing([WEEKDAYS[day] for day in empty if weekdays[day]])
        doubt = f"Aucune école desservie n'a classe le {named}." if named else ""
        found.append(PlaceToOpen(str(place), len(its), moments.listing(days), doubt))
    return found
