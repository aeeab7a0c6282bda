"""Where and when: establishments, school years, classes, who attends them, holidays."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone

from portal.desk.choices import TolerantChoices
from portal.desk.site import DeskAdmin
from portal.french.day_fields import NearDateField
from portal.french.weekdays import names_of
from portal.reservations.acts import enrolling
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


class SchoolingForm(forms.ModelForm[Schooling]):
    """The class of a child. Its year is the class's; the day says from when another class holds."""

    since = NearDateField(
        label="À partir du",
        required=False,
        help_text="Le jour où l'enfant change de classe. Vide : cette classe depuis le début de l'année.",
    )

    class Meta:
        model = Schooling
        fields = ("child", "school_class")

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        since, there = cleaned.get("since"), cleaned.get("school_class")
        if since and there and since > there.school_year.ends_on:
            self.add_error("since", f"L'année {there.school_year} est finie ce jour-là.")
        return cleaned


@admin.register(Schooling)
class SchoolingAdmin(TolerantChoices[Schooling], DeskAdmin[Schooling]):
    """Written by `enrolling.attend`; a class that ended only shows."""

    desk_order = 33
    list_display = ("child", "school_class", "school", "school_year", "starts_on", "ends_on")
    list_filter = ("school_year", "school_class__school", "school_class__level")
    list_select_related = ("child", "school_class__school", "school_year")
    search_fields = ("child__last_name", "child__first_name", "school_class__name")
    ordering = ("-school_year__starts_on", "child__last_name", "child__first_name")
    form = SchoolingForm
    autocomplete_fields = ("child", "school_class")
    fields = ("child", "school_class", "since")

    def get_readonly_fields(self, request: HttpRequest, obj: Schooling | None = None) -> tuple[str, ...]:
        return ("child",) if obj else ()

    def has_change_permission(self, request: HttpRequest, obj: Schooling | None = None) -> bool:
        return super().has_change_permission(request, obj) and (obj is None or obj.ends_on is None)

    def save_model(self, request: HttpRequest, obj: Schooling, form: Any, change: bool) -> None:
        enrolling.attend(
            obj.child, obj.school_class, since=form.cleaned_data["since"], known_on=timezone.localdate()
        )
        obj.pk = Schooling.objects.current().get(child=obj.child, school_year=obj.school_class.school_year).pk

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
