"""Deadlines at the town hall's desk: a rule shows the fields its kind needs and its next cut-offs."""

from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from portal.desk.columns import TypedColumns
from portal.desk.previews import Preview, ShowsPreview, Typed
from portal.french.dates import WEEKDAYS
from portal.french.day_fields import DayInput, HourInput, MomentInput
from portal.reservations.days.rule_preview import late_preview, preview
from portal.reservations.deadlines import rule_rows
from portal.reservations.deadlines.table_field import DeadlineTableField
from portal.reservations.models import ActivityDeadline, DeadlineRule, DeadlineWindow
from portal.reservations.models.campaigns import publics
from portal.web.form_fields import field_of

# What a number counts, by kind: the label the form gives the field.
NUMBER_LABELS = {
    DeadlineRule.Kind.DAYS_BEFORE: "Nombre de jours avant",
    DeadlineRule.Kind.HOURS_BEFORE: "Nombre d'heures avant",
    DeadlineRule.Kind.WEEK_BEFORE: "Semaines avant (vide : 1)",
    DeadlineRule.Kind.MONTH_DAY: "Mois avant (vide : 1)",
    DeadlineRule.Kind.CLEAR_DAYS: "Nombre de jours francs",
}


class DeadlineRuleForm(forms.ModelForm[DeadlineRule]):
    """The rule's fields; those its kind does not read are put back to their usual value."""

    weekday = forms.TypedChoiceField(
        label="Jour limite",
        choices=[("", "Choisir…"), *enumerate(WEEKDAYS)],
        coerce=int,
        empty_value=None,
        required=False,
    )
    table = DeadlineTableField(label="Tableau", empty="jamais")
    holiday_monday_table = DeadlineTableField(
        label="Tableau quand le lundi est férié",
        empty="comme d'habitude",
        with_never=True,
        help_text="Seulement les jours qui changent, dans une semaine dont le lundi est férié.",
    )

    class Meta:
        model = DeadlineRule
        fields = ("name", "kind", *rule_rows.EVERY_FIELD)
        help_texts = {
            "at": "Vide : jusqu'à la fin de la journée.",
            "reference_time": "D'où l'on compte les heures : 00:00 est le début du jour visé.",
            "inclusive": "Non coché : « avant 12 h », et 12 h pile est trop tard.",
            "month_day": "31 : le dernier jour du mois.",
            "from_last_school_day": "Au retour des vacances, la limite tombe avant elles, pas pendant.",
        }
        widgets = {"at": HourInput, "reference_time": HourInput}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "kind" not in self.fields:  # who may only look has no fields
            return
        # Left out of the page, or emptied, it means midnight.
        self.fields["reference_time"].required = False
        kind = self["kind"].value()
        if kind in NUMBER_LABELS:
            self.fields["number"].label = NUMBER_LABELS[kind]

    def clean(self) -> dict[str, Any]:
        super().clean()
        cleaned, usual = self.cleaned_data, DeadlineRule()
        needed = rule_rows.FIELDS_OF_KIND.get(cleaned.get("kind", ""), ())
        for name in rule_rows.EVERY_FIELD:
            if name not in needed:
                # Whatever is left in a field that no longer shows is neither kept nor an error.
                self.errors.pop(name, None)
                cleaned[name] = getattr(usual, name)
        if cleaned.get("reference_time") is None:
            cleaned["reference_time"] = usual.reference_time
        return cleaned


class DeadlineWindowInline(TypedColumns, admin.TabularInline[DeadlineWindow, DeadlineRule]):
    model = DeadlineWindow
    extra = 0
    fields = ("covers_from", "covers_to", "opens_at", "closes_at", "audience")
    # One native control a value: a year of windows stays readable.
    formfield_overrides = {
        models.DateField: {"widget": DayInput()},
        models.DateTimeField: {
            "form_class": forms.DateTimeField,
            "widget": MomentInput(),
        },
    }

    def get_fields(self, request: HttpRequest, obj: DeadlineRule | None = None) -> tuple[str, ...]:
        """A town without audiences of its own has no column for them."""
        return (*self.fields, "public") if publics() else self.fields

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field = super().formfield_for_foreignkey(db_field, request, **kwargs)
        if field is not None and db_field.name == "public":
            field.choices = list(field.iterator(field))
        return field


@admin.register(DeadlineRule)
class DeadlineRuleAdmin(ShowsPreview[DeadlineRule]):
    desk_order = 23
    list_display = ("name", "kind", "sentence")
    list_filter = ("kind",)
    search_fields = ("name",)
    form = DeadlineRuleForm
    inlines = (DeadlineWindowInline,)
    change_form_template = "admin/reservations/deadline_rule.html"
    preview_hint = "Choisissez un principe : la phrase et les prochaines limites s'afficheront ici."

    class Media:
        js = [forms.Script("js/admin-rule.js", type="module")]

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[DeadlineRule]:
        return super().get_queryset(request).prefetch_related("windows__public")

    @admin.display(description="en clair")
    def sentence(self, obj: DeadlineRule) -> str:
        return obj.sentence

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        row = self.get_object(request, object_id) if object_id else None
        kind = request.POST.get("kind") or (row.kind if row else request.GET.get("kind", ""))
        context = {
            "shown": ["name", "kind", *rule_rows.FIELDS_OF_KIND.get(kind, ())],
            "kind": kind,
            "windows_kind": DeadlineRule.Kind.WINDOWS.value,
            "fields_of_kind": rule_rows.FIELDS_OF_KIND,
            "number_labels": {value: str(label) for value, label in NUMBER_LABELS.items()},
        }
        return super().changeform_view(request, object_id, form_url, context | (extra_context or {}))

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        row = form.instance
        for text in preview(row, list(row.windows.all()), timezone.now()).warnings:
            messages.warning(request, text)

    def problems(self, typed: Typed[DeadlineRule]) -> list[str]:
        """A name that is not written yet keeps no limit from being read."""
        return []

    def preview(self, typed: Typed[DeadlineRule], request: HttpRequest, at: datetime) -> Preview | None:
        if typed.row.kind not in rule_rows.FIELDS_OF_KIND:
            return None
        return preview(typed.row, self._windows(typed), at)

    def _windows(self, typed: Typed[DeadlineRule]) -> list[DeadlineWindow]:
        found = typed.rows(DeadlineWindow)
        # Who may not see the windows has none to type.
        return list(typed.row.windows.all()) if found is None and typed.row.pk else found or []


class ActivityDeadlineForm(forms.ModelForm[ActivityDeadline]):
    """Its formula and period are those of the activity, once it is known."""

    class Meta:
        model = ActivityDeadline
        fields = (
            "activity",
            "action",
            "rule",
            "formula",
            "period",
            "late",
            "last_moment",
            "surcharge",
            "surcharge_amount",
            "free_late_a_month",
        )
        help_texts = {
            "formula": "Vide : toutes les formules.",
            "period": "Vide : toutes les périodes.",
            "surcharge_amount": "En euros ; pour un prix multiplié, le facteur (1,5 pour + 50 %).",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        activity_id = self.instance.activity_id
        if activity_id and not self.is_bound:
            for name in ("formula", "period"):
                if name in self.fields:
                    field = field_of(self, name, forms.ModelChoiceField)
                    if field.queryset is not None:
                        field.queryset = field.queryset.filter(activity=activity_id)


@admin.register(ActivityDeadline)
class ActivityDeadlineAdmin(ShowsPreview[ActivityDeadline]):
    desk_order = 22
    list_display = ("activity", "action", "scope", "rule", "sentence", "late", "surcharge")
    list_display_links = ("activity", "action")
    list_filter = ("activity", "action", "late")
    list_select_related = ("activity", "formula", "period", "rule")
    search_fields = ("activity__name", "rule__name")
    ordering = ("activity__order", "activity__name", "action")
    form = ActivityDeadlineForm
    fieldsets = (
        (None, {"fields": ("activity", "action", "rule")}),
        ("Seulement pour", {"fields": ("formula", "period")}),
        (
            "Au-delà du délai",
            {"fields": ("late", "last_moment", "surcharge", "surcharge_amount", "free_late_a_month")},
        ),
    )

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[ActivityDeadline]:
        return super().get_queryset(request).prefetch_related("rule__windows__public")

    @admin.display(description="seulement")
    def scope(self, obj: ActivityDeadline) -> str:
        return " – ".join(str(each) for each in (obj.formula, obj.period) if each)

    @admin.display(description="en clair")
    def sentence(self, obj: ActivityDeadline) -> str:
        return obj.rule.sentence

    def preview(self, typed: Typed[ActivityDeadline], request: HttpRequest, at: datetime) -> Preview:
        return late_preview(typed.row, at)
