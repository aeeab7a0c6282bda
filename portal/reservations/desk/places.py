"""Where and when: establishments, school years, classes, who attends them, holidays."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from portal.desk.choices import TolerantChoices
from portal.desk.site import DeskAdmin
from portal.french.day_fields import NearDateField
from portal.french.weekdays import names_of
from portal.reservations.acts import moving
from portal.reservations.acts.moving import Change
from portal.reservations.desk.calendar import CalendarImport, ImportsCalendar
from portal.reservations.desk.classes import ClassField
from portal.reservations.desk.guarding import AsksBeforeClosing
from portal.reservations.desk.moves import refusal_of, say_moved
from portal.reservations.models import (
    Establishment,
    PublicHoliday,
    SchoolClass,
    SchoolHoliday,
    Schooling,
    SchoolYear,
)
from portal.web.form_fields import field_of
from portal.web.signed_in import SignedInRequest, user_of


@admin.register(Establishment)
class EstablishmentAdmin(AsksBeforeClosing[Establishment], TolerantChoices[Establishment]):
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

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        # Asked for: a school or a canteen seldom opens on Wednesdays, a centre does.
        return {"open_weekdays": 0, **super().get_changeform_initial_data(request)}

    @admin.display(description="jours d'ouverture")
    def days(self, obj: Establishment) -> str:
        return names_of(obj.open_weekdays)


@admin.register(SchoolYear)
class SchoolYearAdmin(AsksBeforeClosing[SchoolYear], ImportsCalendar[SchoolYear]):
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

    def get_queryset(self, request: HttpRequest) -> QuerySet[SchoolClass]:
        # Each is named with its school, in the lists that others' forms search too.
        return super().get_queryset(request).select_related("school", "school_year")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[SchoolClass], search_term: str
    ) -> tuple[QuerySet[SchoolClass], bool]:
        if request.path == reverse("admin:autocomplete"):
            # Last year's « CE1 » is named as this year's is, and no day of it is left to decide about.
            queryset = queryset.filter(school_year__ends_on__gte=timezone.localdate())
        return super().get_search_results(request, queryset, search_term)


class SchoolingForm(forms.ModelForm[Schooling]):
    """The class of a child. Its year is the class's; the day says from when another class holds."""

    since = NearDateField(
        label="À partir du",
        required=False,
        help_text="Le jour où l'enfant change de classe. Vide : cette classe depuis le début de l'année.",
    )

    school_class = ClassField()
    desk_request: SignedInRequest

    class Meta:
        model = Schooling
        fields = ("child", "school_class")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # A class may become another one of its year; a new one is of a year that is not over.
        years = (
            {"school_year": self.instance.school_year_id}
            if self.instance.pk
            else {"school_year__ends_on__gte": timezone.localdate()}
        )
        classes = field_of(self, "school_class", forms.ModelChoiceField)
        if classes.queryset is not None:
            classes.queryset = classes.queryset.filter(**years)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        since, there = cleaned.get("since"), cleaned.get("school_class")
        if since and there and since > there.school_year.ends_on:
            self.add_error("since", f"L'année {there.school_year} est finie ce jour-là.")
        child = cleaned.get("child") or getattr(self.instance, "child", None)
        if there and child and not self.errors:
            refused = refusal_of(
                child, Change(since or there.school_year.starts_on, there), self.desk_request
            )
            if refused:
                self.add_error("school_class", refused)
        return cleaned


@admin.register(Schooling)
class SchoolingAdmin(TolerantChoices[Schooling], DeskAdmin[Schooling]):
    """Written by `moving.carry_out`, which takes booked days along; a class that ended only shows."""

    desk_order = 33
    list_display = ("child", "school_class", "school_year", "starts_on", "ends_on")
    list_filter = ("school_year", "school_class__school", "school_class__level")
    list_select_related = ("child", "school_class__school", "school_year")
    search_fields = ("child__folded", "school_class__name", "school_class__school__name")
    ordering = ("-school_year__starts_on", "child__last_name", "child__first_name")
    form = SchoolingForm
    autocomplete_fields = ("child",)
    fields = ("child", "school_class", "since")

    def get_readonly_fields(self, request: HttpRequest, obj: Schooling | None = None) -> tuple[str, ...]:
        return ("child",) if obj else ()

    def has_change_permission(self, request: HttpRequest, obj: Schooling | None = None) -> bool:
        return super().has_change_permission(request, obj) and (obj is None or obj.ends_on is None)

    def save_model(self, request: HttpRequest, obj: Schooling, form: Any, change: bool) -> None:
        # A class that held from the start was the child's all along; its days to come follow all the same.
        at, since = timezone.now(), form.cleaned_data["since"]
        asked = Change(since or obj.school_class.school_year.starts_on, obj.school_class)
        say_moved(self, request, moving.carry_out(obj.child, asked, by=user_of(request), at=at))
        obj.pk = Schooling.objects.current().get(child=obj.child, school_year=obj.school_class.school_year).pk


@admin.register(PublicHoliday)
class PublicHolidayAdmin(AsksBeforeClosing[PublicHoliday], ImportsCalendar[PublicHoliday]):
    desk_order = 34
    list_display = ("day", "name")
    search_fields = ("name",)
    date_hierarchy = "day"


@admin.register(SchoolHoliday)
class SchoolHolidayAdmin(AsksBeforeClosing[SchoolHoliday], CalendarImport):
    desk_order = 35
    list_display = ("name", "zone", "starts_on", "ends_on")
    list_filter = ("zone",)
    search_fields = ("name",)
    date_hierarchy = "starts_on"
