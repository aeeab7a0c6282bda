"""Which absences are free: the town's rules at the desk."""

from datetime import datetime

from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone

from billing.models import AbsencePolicy
from billing.prices import rule_previews
from portal.desk.previews import Preview, ShowsPreview, Typed


@admin.register(AbsencePolicy)
class AbsencePolicyAdmin(ShowsPreview[AbsencePolicy]):
    desk_order = 80
    list_display = (
        "__str__",
        "certificates_count",
        "within_hours",
        "waiting_days",
        "paperless",
        "told_before",
        "free_first_days",
        "free_days_a_year",
    )
    list_select_related = ("activity",)
    fieldsets = (
        (None, {"fields": ("activity",)}),
        (
            "Avec un certificat",
            {
                "fields": (
                    "certificates_count",
                    "within_hours",
                    "waiting_days",
                    "late_waiting_days",
                    "max_days",
                )
            },
        ),
        (
            "Sans certificat",
            {
                "fields": (
                    "paperless",
                    "told_before",
                    "told_days_before",
                    "told_late",
                    "free_first_days",
                    "free_days_a_year",
                    "free_weeks_a_year",
                )
            },
        ),
        (
            "Jamais facturé",
            {"fields": ("strike_free", "teacher_free", "trip_free", "family_free")},
        ),
    )

    def preview(self, typed: Typed[AbsencePolicy], request: HttpRequest, at: datetime) -> Preview:
        return rule_previews.absences(typed.row, timezone.localdate(at))
