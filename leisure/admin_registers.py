"""« Registres de présence »: a centre's children by day or week, on screen, on paper, as PDF and as CSV."""

from pathlib import Path
from typing import Any

from django import forms
from django.conf import settings
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.utils import timezone

from billing.documents import pdf
from families.admin.health import opens_details
from families.models import Reading, User
from families.signing_in.asking_again import ask_again
from families.traces import reading
from leisure import registers
from leisure.models import SERVICE
from portal import town
from portal.desk import rights
from portal.desk.pages import OwnPages
from portal.desk.site import DeskLink
from portal.files.handing_over import hand_over, spreadsheet
from portal.french import moments
from portal.french.day_fields import DayField
from portal.reservations.days.calendars import week_of
from portal.reservations.desk.today import DayPage, shows_days
from portal.reservations.models import Establishment, Formula, Slot
from portal.reservations.staff import limits
from portal.web.form_fields import field_of
from portal.web.signed_in import SignedInRequest

STYLE = Path(settings.BASE_DIR) / "templates" / "admin" / "leisure" / "register_pdf.css"
DAY, WEEK = "jour", "semaine"
VIEW = "leisure.view_centre"
FILES = ("csv", "pdf")
shows_days(SERVICE, DayPage("leisure_register", "centre", VIEW, other_days=limits.ANY_DAY))


def centres(user: User, right: str) -> QuerySet[Establishment]:
    """Where the service takes place, or something of it is booked, as far as `right` reaches: centres, and
    schools for the mornings and evenings."""
    # What is booked has taken places: those are days, where bookings are days of each child.
    booked = Slot.objects.filter(establishment=OuterRef("pk"), activity__service=SERVICE, taken__gt=0)
    found = (
        Establishment.objects.filter(Q(activities__service=SERVICE) | Exists(booked))
        .distinct()
        .order_by("-active", "kind", "name")
    )
    return rights.seen_by(user, found, right)


class FormulaField(forms.ModelChoiceField[Formula]):
    def label_from_instance(self, formula: Formula) -> str:
        return f"{formula} ({formula.activity})"


class RegisterForm(forms.Form):
    """Which centre, which days, which formula."""

    centre = forms.ModelChoiceField(Establishment.objects.none(), label="Établissement", empty_label=None)
    jour = DayField(label="Jour")
    vue = forms.ChoiceField(
        label="Durée",
        choices=[(DAY, "Ce jour"), (WEEK, "Toute la semaine")],
        widget=forms.RadioSelect,
        initial=DAY,
    )
    formule = FormulaField(
        Formula.objects.filter(activity__service=SERVICE).select_related("activity"),
        label="Formule",
        required=False,
        empty_label="Toutes",
    )

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field_of(self, "centre", forms.ModelChoiceField).queryset = centres(user, VIEW)


class KeepsRegisters(OwnPages[Establishment]):
    """Admin mixin that holds the page."""

    register_link = DeskLink(
        "Registres de présence",
        "leisure_register",
        VIEW,
        "enfants attendus par établissement, jour et formule",
    )

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(self.register_view)
        return [path("registres/", view, name="leisure_register"), *super().get_urls()]

    def register_view(self, request: SignedInRequest) -> HttpResponse:
        """What is asked stands in the address, so that it can be kept and sent."""
        self.demand(request, VIEW)
        first = centres(request.user, VIEW).first()
        asked = {
            "centre": first.pk if first else "",
            "jour": timezone.localdate().isoformat(),
            "vue": DAY,
            "formule": "",
        }
        asked |= {name: request.GET[name] for name in asked if name in request.GET}
        form = RegisterForm(asked, user=request.user)
        if not form.is_valid():
            return self._register_page(request, {"form": form, "sheets": None})
        chosen = form.cleaned_data
        week = chosen["vue"] == WEEK
        if not limits.opens(
            request.user, chosen["centre"].pk, chosen["jour"], today=timezone.localdate(), week=week
        ):
            form.add_error("jour", limits.TODAY_ONLY)
            return self._register_page(request, {"form": form, "sheets": None})
        as_file = request.GET.get("format") in FILES
        if as_file:  # many children leave the portal with it
            ask_again(request)
        centre, day = chosen["centre"], chosen["jour"]
        days = week_of(day) if week else [day]
        with_health = rights.may(request.user, centre, "families.view_childhealth")
        details = with_health and (as_file or opens_details(request))
        health = registers.Health.SIGNS if with_health else registers.Health.HIDDEN
        if details:
            health = registers.Health.DETAILS
        sheets = registers.register(centre, days, formula=chosen["formule"], health=health)
        dates = moments.span(days[0], days[-1], year=True) if week else moments.day(day, year=True)
        self._note(request, f"Registre de présence, {centre}, {dates}", sheets)
        name = f"registre-{centre.code}-{days[0]:%Y-%m-%d}"
        if request.GET.get("format") == "csv":
            return spreadsheet(f"{name}.csv", registers.rows(centre, sheets))
        context = {
            "form": form,
            "centre": centre,
            "formula": chosen["formule"],
            "sheets": sheets,
            "week": week,
            "with_health": with_health,
            "details": details,
            "dates": dates,
        }
        if request.GET.get("format") == "pdf":
            return _pdf(name, context)
        return self._register_page(request, context)

    def _note(self, request: HttpRequest, what: str, sheets: list[registers.DaySheet]) -> None:
        """Whose health stands in the sheets, and whom a file takes out of the portal."""
        children = [child for sheet in sheets for child in sheet.children]
        if told := [child.child_id for child in children if child.health]:
            reading.note(request, Reading.Kind.HEALTH, what=what, children=told)
        if children and request.GET.get("format") in FILES:
            reading.note_export(request, what, children=(child.child_id for child in children))

    def _register_page(self, request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
        return self.page(request, "admin/leisure/register.html", "Registres de présence", context)


def _pdf(name: str, context: dict[str, Any]) -> HttpResponse:
    printed = {"town": town.current(), "printed_on": moments.moment(timezone.now(), year=True)}
    content = pdf.draw("admin/leisure/register_pdf.html", context | printed, STYLE, identifier=name)
    return hand_over(content, f"{name}.pdf", inline=True)
