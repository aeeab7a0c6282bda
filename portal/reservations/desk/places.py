"""Where and when: establishments, school years, classes, who attends them, holidays."""

from typing import Any, ClassVar

from django.contrib import admin
from django.http import HttpRequest

from portal.desk.choices import TolerantChoices
from portal.desk.site import DeskAdmin
from portal.french.weekdays import names_of
from portal.reservations.desk.calendar import CalendarImport, ImportsCalendar
from portal.reservations.models import (
    Establishment,
    PublicHoliday,
    SchoolClass,
    SchoolHoliday,
    Schooling,
    SchoolYear,
)


@admin.register(Establishment)
class EstablishmentAdmin(TolerantChoices[Establishment], DeskAdmin[Establishment]):
    desk_order = 30
    list_display: tuple[str, ...] = ("name", "kind", "days", "phone", "active")
    list_filter: ClassVar[tuple[str, ...]] = ("kind", "active")
    search_fields = ("name", "code")
    prepopulated_fields = {"code": ("name",)}
    autocomplete_fields = ("schools",)
    fields: ClassVar[tuple[str, ...]] = (
        "name",
        "code",
        "kind",
        "address",
        "phone",
        "open_weekdays",
        "schools",
        "active",
    )

    def get_prepopulated_fields(self, request: HttpRequest, obj: Any = None) -> dict[str, Any]:
        # A code that stands is named in files and links: it no longer follows the name.
        return {} if obj else super().get_prepopulated_fields(request, obj)

    @admin.display(description="jours d'ouverture")
    def days(self, obj: Establishment) -> str:
        return names_of(obj.open_weekdays)


@admin.register(SchoolYear)
class SchoolYearAdmin(ImportsCalendar[SchoolYear]):
    desk_order = 31
    list_display = ("name", "starts_on", "ends_on")
    search_fields = ("name",)


@admin.register(SchoolClass)
class SchoolClassAdmin(TolerantChoices[SchoolClass], DeskAdmin[SchoolClass]):
    desk_order = 32
    list_display = ("name", "level", "school", "school_year")
    list_filter = ("school_year", "school", "level")
    list_select_related = ("school", "school_year")
    search_fields = ("name", "school__name")
    ordering = ("-school_year__starts_on", "school__name", "level", "name")
    autocomplete_fields = ("school", "school_year")


@admin.register(Schooling)
class SchoolingAdmin(TolerantChoices[Schooling], DeskAdmin[Schooling]):
    desk_order = 33
    list_display = ("child", "school_class", "school", "school_year")
    list_filter = ("school_year", "school_class__school", "school_class__level")
    list_select_related = ("child", "school_class__school", "school_year")
    search_fields = ("child__last_name", "child__first_name", "school_class__name")
    ordering = ("-school_year__starts_on", "child__last_name", "child__first_name")
    autocomplete_fields = ("child", "school_class", "school_year")

    @admin.display(description="école", ordering="school_class__school__name")
    def school(self, obj: Schooling) -> str:
        return str(obj.school_class.school)


@admin.register(PublicHoliday)
class PublicHolidayAdmin(ImportsCalendar[PublicHoliday]):
    desk_order = 34
    list_display = ("day", "name")
    search_fields = ("name",)
    date_hierarchy = "day"


@admin.register(SchoolHoliday)
class SchoolHolidayAdmin(CalendarImport):
    desk_order = 35
    list_display = ("name", "zone", "starts_on", "ends_on")
    list_filter = ("zone",)
    search_fields = ("name",)
    date_hierarchy = "starts_on"
