"""What a cancelled day gives back, at the desk: the steps of an activity; the days that stay due, and what is
let off of them."""

from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from billing.admin.letting_off import LetsOff
from billing.invoices import refunds
from billing.models import GivenUpDay, RefundRule, RefundStep
from billing.prices import rule_previews
from billing.rules import refunds as rules
from portal.desk.pages import WithHistory
from portal.desk.previews import Preview, ShowsPreview, Typed


class StepsFormSet(forms.BaseInlineFormSet[RefundStep, RefundRule, Any]):
    """Steps that contradict one another are refused."""

    def clean(self) -> None:
        super().clean()
        if not any(self.errors) and (found := rules.problems(self.steps())):
            raise ValidationError(found)

    def steps(self) -> list[rules.Step]:
        return [
            rules.Step(row["days_before"], row["percent"])
            for row in (one.cleaned_data for one in self.forms if one.has_changed() or one.instance.pk)
            if row and not row.get("DELETE") and None not in (row.get("days_before"), row.get("percent"))
        ]


class RefundStepInline(admin.TabularInline[RefundStep, RefundRule]):
    model = RefundStep
    formset = StepsFormSet
    extra = 3
    fields = ("days_before", "percent")


@admin.register(RefundRule)
class RefundRuleAdmin(ShowsPreview[RefundRule], WithHistory[RefundRule]):
    desk_order = 83
    list_display = ("activity", "valid_from", "valid_to", "sentence")
    list_select_related = ("activity",)
    inlines = (RefundStepInline,)
    fields = ("activity", "valid_from", "valid_to", "until")

    def get_queryset(self, request: HttpRequest) -> QuerySet[RefundRule]:
        return super().get_queryset(request).prefetch_related("steps")

    @admin.display(description="en clair")
    def sentence(self, obj: RefundRule) -> str:
        return " ".join(obj.in_words())

    def preview(self, typed: Typed[RefundRule], request: HttpRequest, at: datetime) -> Preview | None:
        steps = [one.step() for one in typed.rows(RefundStep) or ()]
        return rule_previews.given_back(typed.row, steps, timezone.localdate(at)) if steps else None


@admin.register(GivenUpDay)
class GivenUpDayAdmin(LetsOff[GivenUpDay]):
    """Written when a family cancels; let off here, with a reason."""

    desk_order = 27
    list_display = ("day", "child", "activity", "cancelled_at", "words", "amount_shown", "forgiven_reason")
    fields = (
        "child",
        "household",
        "activity",
        "formula",
        "establishment",
        "day",
        "cancelled_at",
        "cancelled_by",
        "words",
        "amount_shown",
        "forgiven_reason",
        "forgiven_by",
        "forgiven_at",
    )
    forgive = staticmethod(refunds.forgive)
    refusal = refunds.RefundRefused
