"""« Nombres de jours à prendre » at the desk: a rule, and what it does to a family before it is saved."""

from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest

from portal.desk.choices import TolerantChoices
from portal.desk.previews import Preview, ShowsPreview, Typed
from portal.reservations.day_rules.rules import Kind
from portal.reservations.days.day_rule_preview import preview
from portal.reservations.models import DayRule
from portal.reservations.models.day_rules import FIELDS_OF_KIND
from portal.web.form_fields import field_of

EVERY_FIELD = ("least", "most", "least_with_holiday")


class DayRuleForm(forms.ModelForm[DayRule]):
    """Its formula and period are those of the activity, once it is known; what its kind does not read is put
    back to its usual value."""

    class Meta:
        model = DayRule
        fields = (
            "activity",
            "kind",
            "per",
            *EVERY_FIELD,
            "formula",
            "period",
            "establishment",
            "level",
            "valid_from",
            "valid_to",
        )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.activity_id and not self.is_bound:
            for name in ("formula", "period"):
                if name in self.fields:
                    field = field_of(self, name, forms.ModelChoiceField)
                    if field.queryset is not None:
                        field.queryset = field.queryset.filter(activity=self.instance.activity_id)

    def clean(self) -> dict[str, Any]:
        super().clean()
        kind = self.cleaned_data.get("kind")
        for name in EVERY_FIELD if kind else ():
            if name not in FIELDS_OF_KIND[Kind(str(kind))]:
                self.errors.pop(name, None)
                self.cleaned_data[name] = None
        return self.cleaned_data


@admin.register(DayRule)
class DayRuleAdmin(ShowsPreview[DayRule], TolerantChoices[DayRule]):
    desk_order = 24
    list_display = ("activity", "sentence", "scope")
    list_filter = ("activity", "kind")
    list_select_related = ("activity", "formula", "period", "establishment")
    search_fields = ("activity__name", "formula__name")
    ordering = ("activity__order", "activity__name", "pk")
    form = DayRuleForm
    fieldsets = (
        (
            None,
            {
                "fields": ("activity", "kind", "per", "most", "least", "least_with_holiday"),
                "description": "Refusé avec sa phrase quand une famille réserve, change ou annule ; annuler "
                "toute la semaine (ou le mois, la période) reste toujours possible. La mairie peut passer "
                "outre, avec un motif.",
            },
        ),
        ("Seulement pour", {"fields": ("formula", "period", "establishment", "level")}),
        ("Dates", {"fields": ("valid_from", "valid_to")}),
    )
    preview_hint = (
        "Choisissez l'activité et le principe, puis « Aperçu » : ce qu'une famille pourrait prendre"
        " s'affichera ici."
    )

    @admin.display(description="en clair")
    def sentence(self, obj: DayRule) -> str:
        return obj.sentence

    @admin.display(description="seulement")
    def scope(self, obj: DayRule) -> str:
        level = obj.get_level_display() if obj.level else ""
        return " – ".join(str(each) for each in (obj.formula, obj.period, obj.establishment, level) if each)

    def problems(self, typed: Typed[DayRule]) -> list[str]:
        return typed.problems if self._is_begun(typed.row) else []

    def preview(self, typed: Typed[DayRule], request: HttpRequest, at: datetime) -> Preview | None:
        return preview(typed.row, at) if self._is_begun(typed.row) else None

    def _is_begun(self, row: DayRule) -> bool:
        return row.activity_id is not None and row.kind in DayRule.Kind.values
