"""Which absences are free: the town's rules at the desk."""

from django.contrib import admin

from billing.models import AbsencePolicy
from portal.desk.site import DeskAdmin


@admin.register(AbsencePolicy)
class AbsencePolicyAdmin(DeskAdmin[AbsencePolicy]):
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
