"""« Inscrire un enfant » at the desk, whatever campaigns say: which child, then what, where, from when."""

from datetime import date
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from families.models import Child, Custody, Household, User
from portal.desk import own_choices, rights
from portal.desk.pages import OwnPages, log_all
from portal.desk.site import DeskLink
from portal.french.day_fields import NearDateField
from portal.french.weekdays import WeekdayMaskFormField, names_of
from portal.reservations.acts import enrolling, overriding
from portal.reservations.acts.enrolling import EnrolmentRefused
from portal.reservations.desk import whom
from portal.reservations.models import Activity, Enrolment, Establishment, SchoolYear, demanding_papers
from portal.reservations.states import Override
from portal.web.form_fields import field_of
from portal.web.posted import posted_number
from portal.web.signed_in import SignedInRequest

RIGHT = "reservations.change_enrolment"


class DeskEnrolmentForm(forms.Form):
    """What a family would say, said for it."""

    household = forms.ModelChoiceField(label="Foyer", queryset=Household.objects.none())
    activity = forms.ModelChoiceField(label="Activité", queryset=Activity.objects.filter(active=True))
    school_year = forms.ModelChoiceField(label="Année scolaire", queryset=SchoolYear.objects.none())
    establishment = forms.ModelChoiceField(
        label="Établissement",
        queryset=Establishment.objects.none(),
        required=False,
        help_text="Vide : la famille le choisit à chaque réservation (activités de loisirs).",
    )
    weekdays = WeekdayMaskFormField(
        label="Jours habituels", required=False, help_text="Ceux que la famille retrouve cochés."
    )
    starts_on = NearDateField(label="À partir du")
    beyond_limits = forms.CharField(
        label="Dérogation",
        required=False,
        max_length=200,
        help_text="Si l'âge ou la classe s'y opposent : pourquoi la mairie l'accueille malgré tout.",
    )
    passing_over = forms.CharField(
        label="Malgré un papier qui manque",
        required=False,
        max_length=200,
        help_text="Si un papier demandé avant l'inscription manque : pourquoi la mairie l'inscrit sans lui.",
    )

    def __init__(self, *args: Any, user: User, child: Child, today: date, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        lives = Custody.objects.on(today).filter(child=child)
        homes = rights.seen_by(user, Household.objects.filter(pk__in=lives.values("household")), RIGHT)
        places = Establishment.objects.filter(active=True, activities__active=True).distinct()
        serving = SchoolYear.objects.serving(today).order_by("starts_on")
        for name, rows in (
            ("household", homes),
            ("school_year", serving),
            ("establishment", rights.seen_by(user, places, RIGHT)),
        ):
            field_of(self, name, forms.ModelChoiceField).queryset = rows
        if not user.has_perm(overriding.RIGHTS[Override.LIMITS]):
            del self.fields["beyond_limits"]
        wanted = any(row.before_enrolment for rows in demanding_papers().values() for row in rows)
        if not wanted or not user.has_perm(overriding.RIGHTS[Override.PAPERS]):
            del self.fields["passing_over"]
        if RIGHT in rights.held_in_part_by(user):
            self.fields["establishment"].required = True
            self.fields["establishment"].help_text = own_choices.CHOOSE
        if len(homes) == 1:
            self.initial["household"] = homes[0]
        self.initial.update(school_year=serving.first(), starts_on=today)

    def clean(self) -> dict[str, Any]:
        said = super().clean() or {}
        activity, place, year = said.get("activity"), said.get("establishment"), said.get("school_year")
        if activity and place and place not in activity.establishments.all():
            self.add_error("establishment", f"{activity} n'a pas lieu ici : {place}.")
        if place and (closed := said.get("weekdays", 0) & ~place.open_weekdays):
            self.add_error("weekdays", f"{place} est fermé : {names_of(closed)}.")
        if year and said.get("starts_on") and said["starts_on"] < year.starts_on:
            said["starts_on"] = year.starts_on
        return said


class EnrolsAtTheDesk(OwnPages[Enrolment]):
    """The page of the list of enrolments on which the town hall enrols a child itself."""

    desk_links: tuple[DeskLink, ...] = (
        DeskLink(
            "Inscrire un enfant",
            "reservations_enrolment_enrol",
            RIGHT,
            "Pour une famille, à tout moment, aussi hors des campagnes d'inscription.",
            order=45,
        ),
    )

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.enrol)
        return [path("inscrire/", view, name="reservations_enrolment_enrol"), *super().get_urls()]

    def enrol(self, request: SignedInRequest) -> HttpResponse:
        """Which child, by its name; then what it is enrolled for, accepted at once."""
        self.demand(request, RIGHT)
        children = rights.seen_by(request.user, Child.objects.filter(erased_at=None, joined_to=None), RIGHT)
        asked = posted_number(request.GET.get("enfant", ""))
        if asked is None:
            words = request.GET.get("q", "").strip()
            context: dict[str, Any] = {"words": words, "found": whom.called(children, words)}
            return self.page(request, "admin/reservations/enrol.html", "Inscrire un enfant", context)
        child = get_object_or_404(children, pk=asked)
        at = timezone.now()
        form = DeskEnrolmentForm(
            request.POST if request.method == "POST" else None,
            user=request.user,
            child=child,
            today=timezone.localdate(at),
        )
        if request.method == "POST" and form.is_valid():
            said = form.cleaned_data
            try:
                made = enrolling.request(**said, child=child, by=request.user, at=at, at_desk=True)
            except EnrolmentRefused as refusal:
                form.add_error(None, str(refusal))
            else:
                waived = f"Inscrit au guichet, par dérogation : {said.get('beyond_limits')}"
                log_all(request, [made], waived if made.limits_waived else "Inscrit au guichet.")
                if said.get("passing_over"):
                    log_all(request, [made], f"Papiers : passé outre. Motif : {said['passing_over']}")
                messages.success(request, f"{made} : l'inscription est enregistrée, la famille est prévenue.")
                return redirect(reverse("admin:reservations_enrolment_change", args=[made.pk]))
        context = {"child": child, "form": form}
        return self.page(request, "admin/reservations/enrol.html", f"Inscrire {child}", context)
