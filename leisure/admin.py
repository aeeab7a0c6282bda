"""The leisure service at the town hall's desk: centres, opening periods, answering requests, registers."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from leisure import admin_priorities as admin_priorities
from leisure import first_steps as first_steps
from leisure.admin_registers import KeepsRegisters
from leisure.admin_requests import AnswersRequests
from leisure.admin_wizard import OpensPeriods
from leisure.models import Centre
from portal.desk import rights
from portal.reservations.desk.places import EstablishmentAdmin
from portal.reservations.models import Establishment


@admin.register(Centre)
class CentreAdmin(OpensPeriods, AnswersRequests, KeepsRegisters, EstablishmentAdmin):
    """Centres, and the service's own pages beside them."""

    desk_order = 10
    desk_links = (OpensPeriods.wizard_link, AnswersRequests.requests_link, KeepsRegisters.register_link)
    list_display = ("name", "days", "phone", "active")
    list_filter = ("active",)
    fields = ("name", "code", "address", "phone", "open_weekdays", "schools", "active")
    change_list_template = "admin/leisure/centre_list.html"

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        obj.kind = Establishment.Kind.CENTRE
        super().save_model(request, obj, form, change)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # As for every establishment: its slots and what families booked would go with it.
        may = request.user.has_perm("reservations.delete_establishment")
        return may and (obj is None or rights.may(request.user, obj, "reservations.delete_establishment"))
