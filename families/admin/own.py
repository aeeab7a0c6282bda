"""Deciding about one's own household, where nobody else at the town hall has the right."""

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from families.custody import own
from families.models import Household, OwnDecision, household_number
from portal.desk.lists import NumberSearch
from portal.desk.pages import OwnPages, ShownOnly
from portal.web.signed_in import SignedInRequest


class DeclareForm(forms.Form):
    """Why somebody decides alone."""

    reason = forms.CharField(
        label="Pourquoi décidez-vous vous-même ?",
        max_length=300,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="Votre motif est gardé, et envoyé à l'adresse de la mairie. Il vaut pour une heure.",
    )


@admin.register(OwnDecision)
class OwnDecisionAdmin(NumberSearch[OwnDecision], ShownOnly[OwnDecision], OwnPages[OwnDecision]):
    """Who decided alone about the own household, and why."""

    desk_order = 8
    list_display = ("user_name", "household_number", "reason", "at")
    search_fields = ("user_name", "reason")
    search_help_text = "Nom d'un agent, motif ou numéro de foyer"
    ordering = ("-at", "-pk")
    fields = readonly_fields = ("user_name", "household_number", "reason", "at")

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.declare)
        return [path("foyer/<int:pk>/", view, name="families_owndecision_declare"), *super().get_urls()]

    def declare(self, request: SignedInRequest, pk: int) -> HttpResponse:
        """The reason; then one decides, for an hour."""
        if pk not in own.households_of(request.user):
            raise PermissionDenied
        home = get_object_or_404(Household, pk=pk)
        form = DeclareForm(request.POST if request.method == "POST" else None)
        if request.method == "POST" and form.is_valid():
            own.declare(request.user, home, reason=form.cleaned_data["reason"], at=timezone.now())
            messages.success(request, "C'est noté. Vous pouvez décider pour ce foyer pendant une heure.")
            return redirect("admin:index")
        context = {
            "form": form,
            "back": reverse("admin:index"),
            "button": "Garder ce motif",
            "lead": f"{home} : le vôtre, ou celui d'un de vos enfants. Un collègue décide, s'il le peut.",
        }
        return self.page(request, "admin/families/form.html", "Décider pour son propre foyer", context)

    @admin.display(description="foyer", ordering="household_id")
    def household_number(self, obj: OwnDecision) -> str:
        """Without a link: who reads this list may have no right to households."""
        return household_number(obj.household_id) if obj.household_id else "–"

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)
