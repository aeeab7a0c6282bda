"""The town's own page on the desk: name, crest, colour, contact, notices. And the versions installed."""

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django_tasks_db.models import DBTaskResult

from portal import theme
from portal.desk.pages import ShownOnly, WithHistory
from portal.desk.tasks import TaskAdmin
from portal.models import Release, Town
from portal.reservations.desk.guarding import AsksBeforeClosing

# The crest is on every page, the login page included: it must stay light.
CREST_MAX_BYTES = 100 * 1024


class TownForm(forms.ModelForm[Town]):
    website = forms.URLField(label="Site internet", required=False, assume_scheme="https")

    class Meta:
        model = Town
        fields = (
            "name",
            "service",
            "crest",
            "colour",
            "address",
            "phone",
            "email",
            "opening_hours",
            "website",
            "zone",
            "region",
            "address_changes_at_once",
            "staff_idle_minutes",
            "staff_session_hours",
            "legal_notice",
            "privacy_notice",
            "accessibility_notice",
        )
        widgets = {"colour": forms.TextInput(attrs={"type": "color"})}

    def clean_colour(self) -> str:
        """White text on the colour, and the colour on white, must be readable."""
        colour: str = self.cleaned_data["colour"].lower()
        Town._meta.get_field("colour").run_validators(colour)
        if not theme.is_readable(colour):
            contrast = f"{theme.contrast(colour, theme.WHITE):.1f}".replace(".", ",")
            raise ValidationError(
                f"Cette couleur se lit mal sur le blanc : son contraste est de {contrast}, il en faut 4,5. "
                f"La plus proche qui convient : {theme.nearest_readable(colour)}."
            )
        return colour

    def clean_crest(self) -> Any:
        crest = self.cleaned_data["crest"]
        if crest and "crest" in self.changed_data and crest.size > CREST_MAX_BYTES:
            raise ValidationError(
                "Ce fichier est trop lourd pour être montré sur chaque page : 100 ko au plus."
            )
        return crest


@admin.register(Town)
class TownAdmin(AsksBeforeClosing[Town], WithHistory[Town]):
    """One row: the list leads straight to it."""

    takes_files = True  # the crest
    form = TownForm
    fieldsets = (
        (None, {"fields": ("name", "service", "crest", "colour")}),
        ("Contact", {"fields": ("address", "phone", "email", "opening_hours", "website")}),
        ("Calendrier", {"fields": ("zone", "region")}),
        ("Démarches", {"fields": ("address_changes_at_once",)}),
        ("Connexions des agents", {"fields": ("staff_idle_minutes", "staff_session_hours")}),
        ("Pages du pied de page", {"fields": ("legal_notice", "privacy_notice", "accessibility_notice")}),
    )

    def has_add_permission(self, request: HttpRequest) -> bool:
        return super().has_add_permission(request) and not Town.objects.exists()

    def has_delete_permission(self, request: HttpRequest, obj: Town | None = None) -> bool:
        return False

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        town = Town.objects.first()
        if town is None or not self.has_view_or_change_permission(request):
            return super().changelist_view(request, extra_context)
        return redirect(reverse("admin:portal_town_change", args=[town.pk]))


@admin.register(Release)
class ReleaseAdmin(ShownOnly[Release]):
    """For whoever runs the portal: the versions its database went through."""

    desk_order = 95
    list_display = ("version", "since")


# Instead of the package's own.
admin.site.unregister(DBTaskResult)
admin.site.register(DBTaskResult, TaskAdmin)
