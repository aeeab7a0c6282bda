"""Days closed or opened out of turn. Closing says first whom it concerns, then cancels and tells them."""

from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Q
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html

from portal.desk import own_choices
from portal.desk.choices import TolerantChoices
from portal.french import moments
from portal.french.plurals import counted
from portal.reservations.acts import announcing, opening
from portal.reservations.desk.guarding import AsksBeforeClosing
from portal.reservations.models import Closure, Notice, Period


class ClosureForm(forms.ModelForm[Closure]):
    """A closure, and whether families read of it on their first page."""

    announce = forms.BooleanField(
        label="L'annoncer aux familles sur leur page d'accueil",
        required=False,
        initial=True,
        help_text="À toutes celles dont un enfant va dans ce lieu, de deux semaines avant au dernier jour. "
        "Le texte se relit et se change dans « Annonces aux familles ».",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk and "announce" in self.fields:
            self.fields["announce"].initial = Notice.objects.filter(closure=self.instance).exists()


@admin.register(Closure)
class ClosureAdmin(AsksBeforeClosing[Closure], TolerantChoices[Closure]):
    desk_order = 10
    list_display = ("dates", "reason", "concerns", "opens")
    list_display_links = ("dates",)
    list_filter = ("why", "opens", "establishment", "activity")
    list_select_related = ("establishment", "activity", "school_class__school")
    search_fields = ("label", "establishment__name", "activity__name")
    date_hierarchy = "starts_on"
    form = ClosureForm
    autocomplete_fields = ("establishment", "activity", "school_class")
    fieldsets = (
        (None, {"fields": ("starts_on", "ends_on", "why", "label", "opens")}),
        (
            "Ce qui ferme",
            {
                "fields": ("establishment", "activity", "school_class"),
                "description": "Sans rien choisir, toute la commune est concernée.",
            },
        ),
        ("Annonce", {"fields": ("announce",)}),
    )

    @admin.display(description="jours", ordering="starts_on")
    def dates(self, obj: Closure) -> str:
        return moments.span(obj.starts_on, obj.ends_on, year=True)

    @admin.display(description="motif", ordering="why")
    def reason(self, obj: Closure) -> str:
        return obj.reason

    @admin.display(description="concerne")
    def concerns(self, obj: Closure) -> str:
        named = [str(one) for one in (obj.establishment, obj.activity, obj.school_class) if one]
        return ", ".join(named) or "toute la commune"

    def get_form(
        self, request: HttpRequest, obj: Closure | None = None, change: bool = False, **kwargs: Any
    ) -> Any:
        form = super().get_form(request, obj, change=change, **kwargs)
        own_choices.require(form, request.user, "establishment", self.right_for("change"))
        return form

    def save_model(self, request: HttpRequest, obj: Closure, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        at = timezone.now()
        self._announce(request, obj, bool(form.cleaned_data.get("announce")), at)
        if obj.opens:
            opened = sum(
                opening.open_slots(period, at=at, within=(obj.starts_on, obj.ends_on))
                for period in _periods_in_use(obj)
            )
            if opened:
                text = counted(opened, "créneau ouvert", "créneaux ouverts")
                self.message_user(request, f"{text} à la réservation.", messages.SUCCESS)

    def _announce(self, request: HttpRequest, closure: Closure, wanted: bool, at: datetime) -> None:
        """Its own words on families' first page, for who may write them; they go with it."""
        if not request.user.has_perm("reservations.change_notice"):
            return
        if not wanted:
            announcing.withdraw(closure)
            return
        notice = announcing.announce(closure, today=timezone.localdate(at))
        if notice is not None:
            url = reverse("admin:reservations_notice_change", args=[notice.pk])
            text = 'Annoncée aux familles {}. <a href="{}">Relire l\'annonce</a>'
            days = moments.span(notice.starts_on, notice.ends_on, year=True)
            self.message_user(request, format_html(text, days, url), messages.INFO)

    def delete_model(self, request: HttpRequest, obj: Closure) -> None:
        super().delete_model(request, obj)
        self._warn_deleted(request)

    def delete_queryset(self, request: HttpRequest, queryset: Any) -> None:
        super().delete_queryset(request, queryset)
        self._warn_deleted(request)

    def _warn_deleted(self, request: HttpRequest) -> None:
        self.message_user(
            request,
            "Les réservations déjà annulées le restent : « Jours fermés et rouverts » les remet.",
            messages.WARNING,
        )


def _periods_in_use(closure: Closure) -> list[Period]:
    """The periods over these days whose slots were opened: others wait for the town hall to open them."""
    periods = Period.objects.filter(
        starts_on__lte=closure.ends_on, ends_on__gte=closure.starts_on, activity__slots__isnull=False
    ).select_related("activity")
    if closure.activity_id:
        periods = periods.filter(activity=closure.activity_id)
    if closure.establishment_id:
        periods = periods.filter(
            Q(establishments=closure.establishment_id)
            | Q(establishments=None, activity__establishments=closure.establishment_id)
        )
    return list(periods.distinct())
