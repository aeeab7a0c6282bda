"""What opens only with so many children, at the desk: the minimum, where the days to come stand, and
« Confirmer » before the night does."""

from datetime import datetime, timedelta
from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest
from django.utils import timezone

from portal.desk import own_choices, previews
from portal.desk.choices import TolerantChoices
from portal.desk.previews import Preview, ShowsPreview, Table, Typed
from portal.desk.site import DeskAdmin
from portal.french import moments
from portal.reservations.acts import assuring
from portal.reservations.day_rules import needed
from portal.reservations.models import NeededChildren, SureOpening
from portal.web.signed_in import user_of


@admin.register(NeededChildren)
class NeededChildrenAdmin(ShowsPreview[NeededChildren], TolerantChoices[NeededChildren]):
    desk_order = 25
    list_display = ("activity", "establishment", "children", "per", "days_before")
    list_filter = ("activity",)
    list_select_related = ("activity", "establishment")
    search_fields = ("activity__name", "establishment__name")
    autocomplete_fields = ("activity", "establishment")
    fieldsets = (
        (
            None,
            {
                "fields": ("activity", "establishment", "children", "per", "days_before"),
                "description": "Jusqu'à ce nombre, les jours se réservent « sous réserve ». Chaque nuit, ce "
                "qui l'atteint est confirmé, et ce qui ne l'a pas atteint à temps est annulé sans frais. "
                "Les familles sont prévenues.",
            },
        ),
    )
    change_form_template = "admin/reservations/needed_children.html"
    preview_hint = "Choisissez l'activité et le nombre : où en sont les prochains jours s'affichera ici."

    def preview(self, typed: Typed[NeededChildren], request: HttpRequest, at: datetime) -> Preview:
        row = typed.row
        coming = [
            previews.row(one.days, one.place, str(one.children), one.stands)
            for one in assuring.foresee(row, at=at)
        ]
        first = timezone.localdate(at) + timedelta(days=row.days_before + 1)
        begins = "du" if row.a_day else "d'une période qui commence le"
        return Preview(
            sentences=[needed.sentence(row.children, first, row.days_before)],
            notes=[f"C'est ce que lirait une famille {begins} {moments.day(first)}."],
            tables=[
                Table(
                    "Ce qui vient",
                    ("Quand", "Lieu", "Enfants", "Où on en est"),
                    coming,
                    none="Aucun jour à venir n'est ouvert à la réservation.",
                )
            ],
        )


@admin.register(SureOpening)
class SureOpeningAdmin(TolerantChoices[SureOpening], DeskAdmin[SureOpening]):
    """To add one is to confirm, before the night does, that these days open; nobody takes a promise back."""

    desk_order = 26
    list_display = ("activity", "establishment", "days", "at", "by")
    list_display_links = ("activity",)
    list_filter = ("activity", "establishment")
    list_select_related = ("activity", "establishment", "by")
    search_fields = ("activity__name", "establishment__name")
    autocomplete_fields = ("activity", "establishment")
    fieldsets = (
        (
            None,
            {
                "fields": ("activity", "establishment", "starts_on", "ends_on"),
                "description": "Ces jours ont lieu, quel que soit le nombre d'enfants : leurs familles sont "
                "prévenues. Pour ne pas ouvrir, ajoutez une fermeture.",
            },
        ),
    )

    @admin.display(description="jours")
    def days(self, obj: SureOpening) -> str:
        return moments.span(obj.starts_on, obj.ends_on, year=True)

    def get_readonly_fields(self, request: HttpRequest, obj: SureOpening | None = None) -> tuple[str, ...]:
        return ("activity", "establishment", "starts_on", "ends_on") if obj else ()

    def get_form(
        self, request: HttpRequest, obj: SureOpening | None = None, change: bool = False, **kwargs: Any
    ) -> Any:
        form = super().get_form(request, obj, change=change, **kwargs)
        if obj is None:
            own_choices.require(form, request.user, "establishment", self.right_for("add"))
        return form

    def save_model(self, request: HttpRequest, obj: SureOpening, form: Any, change: bool) -> None:
        if change:  # nothing of it can be typed
            return
        made = assuring.confirm(
            obj.activity,
            obj.establishment,
            obj.starts_on,
            obj.ends_on,
            by=user_of(request),
            at=timezone.now(),
        )
        obj.pk, obj.at, obj.by = made.pk, made.at, made.by
        messages.success(request, "Les familles qui ont réservé ces jours sont prévenues.")
