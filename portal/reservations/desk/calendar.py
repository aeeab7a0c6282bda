"""« Importer le calendrier »: holidays proposed for a school year, kept when an agent ticks them."""

from datetime import date
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.http import urlencode

from portal import town
from portal.desk.site import DeskAdmin, DeskLink, M
from portal.french.plurals import counted
from portal.models import Town
from portal.reservations.days import holiday_proposals
from portal.reservations.desk.guarding import guarded
from portal.reservations.models import PublicHoliday, SchoolHoliday, SchoolYear
from portal.web.form_fields import field_of

KINDS = {"year": "Année scolaire", "public": "Jours fériés", "school": "Vacances scolaires"}
WRITTEN = (SchoolYear, PublicHoliday, SchoolHoliday)


class CalendarForm(forms.Form):
    """Which calendar to propose."""

    annee = forms.TypedChoiceField(label="Année scolaire", coerce=int)
    zone = forms.ChoiceField(label="Zone de vacances", choices=Town.Zone.choices)
    region = forms.ChoiceField(label="Jours fériés", choices=Town.Region.choices)

    def __init__(self, *args: Any, today: date, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        this_year = holiday_proposals.school_year_of(today)
        last = max(holiday_proposals.last_year_known(), this_year + 1)
        # One more than is known: the page then says what is missing.
        field_of(self, "annee", forms.ChoiceField).choices = [
            (year, f"{year}-{year + 1}") for year in range(this_year - 1, last + 2)
        ]


class ImportsCalendar(DeskAdmin[M]):
    """A button above the list that opens « Importer le calendrier »."""

    change_list_template = "admin/reservations/calendar_change_list.html"


class CalendarImport(ImportsCalendar[SchoolHoliday]):
    """The same, with the page itself; for one model only."""

    desk_links = (
        DeskLink(
            "Importer le calendrier",
            "reservations_calendar_import",
            "reservations.add_schoolholiday",
            "Jours fériés et vacances d'une année scolaire",
            order=80,
        ),
    )

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(self.import_calendar)
        return [path("importer/", view, name="reservations_calendar_import"), *super().get_urls()]

    def import_calendar(self, request: HttpRequest) -> HttpResponse:
        """What is kept may close booked days, and asks first."""
        return guarded(request, lambda: self._import(request), site=self.admin_site, opts=self.opts)

    def _import(self, request: HttpRequest) -> HttpResponse:
        """Proposes on GET with a school year; keeps what is ticked on POST."""
        if not all(request.user.has_perm(f"reservations.add_{model._meta.model_name}") for model in WRITTEN):
            raise PermissionDenied
        today = timezone.localdate()
        asked = request.POST or request.GET
        current = town.current()
        initial = {
            "annee": holiday_proposals.school_year_of(today),
            "zone": current.zone,
            "region": current.region,
        }
        form = CalendarForm(asked if "annee" in asked else None, today=today, initial=initial)
        proposals = None
        if form.is_valid():
            chosen = form.cleaned_data
            proposals = holiday_proposals.propose(chosen["annee"], chosen["zone"], chosen["region"])
            if request.method == "POST":
                count = holiday_proposals.keep(proposals, request.POST.getlist("garder"))
                self._tell(request, count)
                return redirect(f"{reverse('admin:reservations_calendar_import')}?{urlencode(chosen)}")
        context = self.admin_site.each_context(request) | {
            "title": "Importer le calendrier",
            "opts": self.opts,
            "form": form,
            "proposals": proposals,
            "groups": _by_kind(proposals) if proposals else [],
        }
        return TemplateResponse(request, "admin/reservations/import_calendar.html", context)

    def _tell(self, request: HttpRequest, count: int) -> None:
        if count:
            text = counted(count, "ligne ajoutée au calendrier", "lignes ajoutées au calendrier")
            messages.success(request, f"{text}. Chacune peut être modifiée ou supprimée.")
        else:
            messages.warning(request, "Rien n'était coché : le calendrier n'a pas changé.")


def _by_kind(proposals: holiday_proposals.Proposals) -> list[tuple[str, list[holiday_proposals.Proposal]]]:
    groups = [(title, [row for row in proposals.rows if row.kind == kind]) for kind, title in KINDS.items()]
    return [(title, rows) for title, rows in groups if rows]
