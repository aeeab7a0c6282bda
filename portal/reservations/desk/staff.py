"""« Rôles à la mairie » on the page of a login: which role, in the whole town or at which places."""

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.widgets import RelatedFieldWidgetWrapper
from django.contrib.auth.models import Group
from django.db import models
from django.forms.models import BaseInlineFormSet
from django.http import HttpRequest
from django.utils import timezone

from families.admin.people import LoginAdmin
from families.desk_cells import person
from families.models import User
from portal.desk.choices import TolerantChoices
from portal.french import moments
from portal.reservations.models import StaffRight
from portal.reservations.staff import giving
from portal.web.signed_in import SignedInRequest

WHERE = (
    "Dans des établissements choisis, la personne n'a que leurs enfants, leurs familles, leurs réservations, "
    "leurs listes et leurs menus. Les factures, les tarifs, les activités et les nouveaux comptes famille "
    "demandent toute la commune."
)


class StaffRightForm(forms.ModelForm[StaffRight]):
    """A role and where it holds."""

    class Meta:
        model = StaffRight
        fields = ("role", "everywhere", "places")
        help_texts = {"everywhere": "Décochez pour choisir des établissements.", "places": WHERE}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk and "role" in self.fields:
            # Another role is another line.
            self.fields["role"].disabled = True

    def clean(self) -> dict[str, Any]:
        super().clean()
        given = self.cleaned_data
        role: Group | None = given.get("role")
        if role is not None and not given.get("everywhere") and "places" in given:
            try:
                giving.check(role, given["places"])
            except giving.RightRefused as refusal:
                self.add_error("places", str(refusal))
        return given


class StaffRightFormSet(BaseInlineFormSet[StaffRight, User, StaffRightForm]):
    """Lines that `giving` writes."""

    desk_request: SignedInRequest

    def save_new(self, form: StaffRightForm, commit: bool = True) -> StaffRight:
        return self._give(form)

    def save_existing(self, form: StaffRightForm, obj: StaffRight, commit: bool = True) -> StaffRight:
        return self._give(form)

    def delete_existing(self, obj: StaffRight, commit: bool = True) -> None:
        request = self.desk_request
        giving.withdraw(self.instance, obj.role, by=request.user, request=request)

    def _give(self, form: StaffRightForm) -> StaffRight:
        given, request = form.cleaned_data, self.desk_request
        places = None if given["everywhere"] else list(given["places"])
        return giving.give(self.instance, given["role"], places=places, by=request.user, request=request)


class StaffRightInline(TolerantChoices[StaffRight], admin.StackedInline[StaffRight, User]):
    model = StaffRight
    fk_name = "user"
    form = StaffRightForm
    extra = 0
    verbose_name, verbose_name_plural = "rôle à la mairie", "rôles à la mairie"
    fields = ("role", "everywhere", "places", "given")
    readonly_fields = ("given",)
    formfield_overrides = {models.ManyToManyField: {"widget": forms.CheckboxSelectMultiple}}

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[StaffRight]:
        return super().get_queryset(request).select_related("role", "given_by").prefetch_related("places")

    def get_formset(self, request: HttpRequest, obj: User | None = None, **kwargs: Any) -> Any:
        made: Any = super().get_formset(request, obj, formset=StaffRightFormSet, **kwargs)
        made.desk_request = request
        return made

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **given: Any) -> Any:
        """Roles and places are chosen here, and made on their own pages."""
        field = super().formfield_for_dbfield(db_field, request, **given)
        if isinstance(widget := getattr(field, "widget", None), RelatedFieldWidgetWrapper):
            widget.can_add_related = widget.can_change_related = False
            widget.can_delete_related = widget.can_view_related = False
        return field

    @admin.display(description="donné")
    def given(self, obj: StaffRight) -> str:
        if not obj.pk:
            return "–"
        by = f" par {person(obj.given_by)}" if obj.given_by else ""
        return f"le {moments.moment(timezone.localtime(obj.given_at), year=True)}{by}"


LoginAdmin.inlines = (*LoginAdmin.inlines, StaffRightInline)
