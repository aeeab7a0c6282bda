"""The town's own page on the desk: name, crest, colour, contact, notices. And the versions installed."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.defaultfilters import linebreaksbr
from django.urls import reverse
from django.utils import timezone
from django_tasks_db.models import DBTaskResult

from portal import theme, town_time
from portal.database import clock
from portal.desk import first_page
from portal.desk.first_page import Watch
from portal.desk.pages import OneRow, ShownOnly, WithHistory
from portal.desk.site import DeskNotice
from portal.desk.tasks import TaskAdmin
from portal.french.plurals import counted
from portal.letters import wordings
from portal.models import LetterWording, RefusalReason, Release, Town
from portal.reservations.acts import town_clock
from portal.reservations.desk.first_steps import FirstSteps
from portal.reservations.desk.guarding import AsksBeforeClosing
from portal.tasks import queue, workers
from portal.town import current as town_of
from portal.waiting.desk import LinePages

# The crest is on every page, the login page included: it must stay light.
CREST_MAX_BYTES = 100 * 1024


_NEW_CLOCK = (
    "Les limites, les jours et les lettres suivront l'heure de {} : « la veille à 10 h » s'entendra là. "
    "Cochez pour confirmer."
)


class TownForm(forms.ModelForm[Town]):
    # Shown once the change is asked for, with what it moves.
    clock_seen = forms.BooleanField(label="Changer l'heure de la commune", required=False)
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
            "time_zone",
            "address_changes_at_once",
            "staff_idle_minutes",
            "staff_session_hours",
            "take_back_minutes",
            "legal_notice",
            "privacy_notice",
            "accessibility_notice",
        )
        widgets = {"colour": forms.TextInput(attrs={"type": "color"})}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.clock = town_time.zone_of(self.instance)
        self.fields["clock_seen"].widget = forms.HiddenInput()

    def clean(self) -> dict[str, Any] | None:
        """The clock of a town in use changes once one has read what moves."""
        found = super().clean()
        its = Town(
            region=self.cleaned_data.get("region", ""), time_zone=self.cleaned_data.get("time_zone", "")
        )
        if not its.region or "time_zone" in self.errors or self.instance._state.adding:
            return found
        new = town_time.zone_of(its)
        if new == self.clock or self.cleaned_data.get("clock_seen"):
            return found
        self.fields["clock_seen"].widget = forms.CheckboxInput()
        self.add_error(
            "clock_seen",
            [
                _NEW_CLOCK.format(Town.Clock(new.key).label),
                *town_clock.foresee(self.clock, new, timezone.now()),
            ],
        )
        return found

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
class TownAdmin(FirstSteps, LinePages, AsksBeforeClosing[Town], OneRow[Town], WithHistory[Town]):
    """One row: the list leads straight to it."""

    desk_links = (FirstSteps.first_steps_link, *LinePages.desk_links)

    takes_files = True  # the crest
    form = TownForm
    fieldsets = (
        (None, {"fields": ("name", "service", "crest", "colour")}),
        ("Contact", {"fields": ("address", "phone", "email", "opening_hours", "website")}),
        ("Calendrier", {"fields": ("zone", "region", "time_zone", "clock_seen")}),
        ("Démarches", {"fields": ("address_changes_at_once", "take_back_minutes")}),
        ("Connexions des agents", {"fields": ("staff_idle_minutes", "staff_session_hours")}),
        ("Pages du pied de page", {"fields": ("legal_notice", "privacy_notice", "accessibility_notice")}),
    )

    @transaction.atomic
    def save_model(self, request: HttpRequest, obj: Town, form: TownForm, change: bool) -> None:
        super().save_model(request, obj, form, change)
        new = town_time.zone_of(obj)
        if change and new != form.clock:
            town_clock.move(form.clock, new, timezone.now())
            timezone.activate(new)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        town = Town.objects.first()
        if town is None or not self.has_view_or_change_permission(request):
            return super().changelist_view(request, extra_context)
        return redirect(reverse("admin:portal_town_change", args=[town.pk]))


@admin.register(RefusalReason)
class RefusalReasonAdmin(WithHistory[RefusalReason]):
    """What families read when something is refused, ready to be picked."""

    desk_order = 40
    list_display = ("text", "about", "order")
    list_filter = ("about",)
    search_fields = ("text",)
    fields = ("about", "text", "order")


WORDING_FIELDS = ("kind", "subject", "opening", "closing")


class WordingForm(forms.ModelForm[LetterWording]):
    """Which letter is chosen among those that there are."""

    class Meta:
        model = LetterWording
        fields = WORDING_FIELDS

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "kind" in self.fields:
            known = [(wordings.EVERY, wordings.EVERY_LABEL), *wordings.kinds().items()]
            self.fields["kind"] = forms.ChoiceField(label="Lettre", choices=known, required=False)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        typed = LetterWording(**{name: cleaned.get(name, "") for name in WORDING_FIELDS})
        for name, sentence in wordings.refusal(typed).items():
            self.add_error(name if name in self.fields else None, sentence)
        return cleaned


@admin.register(LetterWording)
class LetterWordingAdmin(WithHistory[LetterWording]):
    """What the town says in its own words; a village never opens this."""

    desk_order = 41
    list_display = ("letter", "subject", "opening", "closing")
    list_display_links = ("letter",)
    search_fields = ("subject", "opening", "closing")
    form = WordingForm
    fields = (*WORDING_FIELDS, "variables", "preview")
    readonly_fields = ("variables", "preview")

    @admin.display(description="lettre", ordering="kind")
    def letter(self, obj: LetterWording) -> str:
        return wordings.label(obj.kind)

    @admin.display(description="ce qui peut s'écrire entre accolades")
    def variables(self, obj: LetterWording) -> str:
        named = ", ".join(f"{{{name}}}" for name in wordings.VARIABLES)
        return f"{named} ; dans l'objet, {{objet}} aussi."

    @admin.display(description="aperçu, une fois enregistré")
    def preview(self, obj: LetterWording) -> str:
        """As a family reads it, around what the letter says."""
        if obj.pk is None:
            return "–"
        name, usual = "Camille", wordings.label(obj.kind)
        subject = wordings.said(obj.subject, name, usual) if obj.subject else usual
        parts = ["Bonjour Camille,", wordings.said(obj.opening, name), "(ce que dit la lettre)"]
        parts += [wordings.said(obj.closing, name), town_of().service]
        return linebreaksbr("\n".join([subject, "", *filter(None, parts)]), autoescape=True)


@admin.register(Release)
class ReleaseAdmin(ShownOnly[Release]):
    """For whoever runs the portal: the versions its database went through."""

    desk_order = 95
    list_display = ("version", "since")

    def desk_notices(self, request: HttpRequest) -> Sequence[DeskNotice]:
        """What the worker cannot do by itself."""
        at = clock.now()
        tasks = reverse(f"admin:{DBTaskResult._meta.app_label}_dbtaskresult_changelist")
        facts = queue.facts(at=at)
        found = []
        if facts.failed:
            said = counted(
                facts.failed,
                "travail de fond a échoué ou s'est interrompu",
                "travaux de fond ont échoué ou se sont interrompus",
            )
            found.append(DeskNotice(f"{said}.", f"{tasks}?status__exact=FAILED"))
        if facts.running_too_long:
            said = counted(facts.running_too_long, "travail dure", "travaux durent")
            minutes = queue.TOO_LONG.seconds // 60
            found.append(
                DeskNotice(f"{said} depuis plus de {minutes} minutes.", f"{tasks}?status__exact=RUNNING")
            )
        if facts.age and facts.age > workers.SILENT_AFTER and not workers.living(at=at).exists():
            said = counted(facts.waiting, "travail attend", "travaux attendent")
            found.append(DeskNotice(f"Le worker ne répond pas : {said}.", f"{tasks}?status__exact=READY"))
        return found


def stopped(request: HttpRequest, at: datetime) -> list[Watch]:
    """What of the work in the background stands still, for who cannot set it going; superusers read more
    (`ReleaseAdmin`)."""
    if request.user.is_superuser:
        return []
    there = clock.now()
    facts = queue.facts(at=there)
    silent = facts.age is not None and facts.age > workers.SILENT_AFTER
    if silent and not workers.living(at=there).exists():
        said = counted(facts.waiting, "courrier ou travail attend", "courriers ou travaux attendent")
        return [Watch(f"Le portail n'envoie plus rien : {said}. Prévenez qui l'administre.", grave=True)]
    if facts.failed:
        said = counted(facts.failed, "travail de fond s'est arrêté", "travaux de fond se sont arrêtés")
        return [Watch(f"{said}. Prévenez qui administre le portail.")]
    return []


# Whoever heads the service, and whoever answers families.
first_page.watch("travaux", ("portal.change_town", "families.change_household"), stopped)

# Instead of the package's own.
admin.site.unregister(DBTaskResult)
admin.site.register(DBTaskResult, TaskAdmin)
