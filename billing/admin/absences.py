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
        "late_waiting_days",
        "max_days",
    )
    list_select_related = ("activity",)
