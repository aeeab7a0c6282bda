"""« Nombres de jours à prendre » at the desk: a rule, and what it does to a family before it is saved."""

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from portal.desk.choices import TolerantChoices
from portal.desk.site import DeskAdmin
from portal.reservations.day_rules.rules import Kind
from portal.reservations.days.day_rule_preview import DayRulePreview, preview
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
class DayRuleAdmin(TolerantChoices[DayRule], DeskAdmin[DayRule]):
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
    change_form_template = "admin/reservations/day_rule.html"

    @admin.display(description="en clair")
    def sentence(self, obj: DayRule) -> str:
        return obj.sentence

    @admin.display(description="seulement")
    def scope(self, obj: DayRule) -> str:
        level = obj.get_level_display() if obj.level else ""
        return " – ".join(str(each) for each in (obj.formula, obj.period, obj.establishment, level) if each)

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(require_POST(self.preview_view))
        return [path("apercu/", view, name="reservations_dayrule_preview"), *super().get_urls()]

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        row = self.get_object(request, object_id) if object_id else None
        url = reverse("admin:reservations_dayrule_preview")
        context = {
            "preview": self._preview_of(request, row),
            "preview_url": f"{url}?regle={row.pk}" if row else url,
        }
        return super().changeform_view(request, object_id, form_url, context | (extra_context or {}))

    def preview_view(self, request: HttpRequest) -> HttpResponse:
        """The preview of what is typed, saved or not."""
        row = self.get_object(request, request.GET["regle"]) if request.GET.get("regle") else None
        if not (self.has_change_permission(request, row) or self.has_add_permission(request)):
            return HttpResponse(status=403)
        context = self.admin_site.each_context(request) | {
            "title": "Aperçu de la règle",
            "opts": self.opts,
            "preview": self._preview_of(request, row),
        }
        return TemplateResponse(request, "admin/reservations/day_rule_preview_page.html", context)

    def _preview_of(self, request: HttpRequest, row: DayRule | None) -> DayRulePreview | None:
        """Of what is posted, else of the row as it is; None before an activity is chosen."""
        at = timezone.now()
        if request.method != "POST":
            return preview(row, at) if row else None
        form = self.get_form(request, row, change=row is not None)(request.POST, instance=row)
        form.is_valid()
        typed: DayRule = form.instance
        if typed.activity_id is None or typed.kind not in DayRule.Kind.values:
            return None
        if form.errors:
            return DayRulePreview(problems=[text for texts in form.errors.values() for text in texts])
        return preview(typed, at)
