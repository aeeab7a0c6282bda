"""The desk's page on which an adult leaves a household for another home."""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path
from django.utils import timezone

from families.admin.foreseen import CHANGED, Asks, reason_field
from families.custody import homes
from families.desk_links import household_page
from families.joining import joining, parting
from families.joining.joining import Foreseen
from families.joining.parting import Address, Goes, Parting
from families.models import Child, Guardian, HomeChange, Household
from families.signing_in.asking_again import ask_again
from portal.desk import rights
from portal.desk.pages import OwnPages, log_all
from portal.french.day_fields import NearDateField
from portal.web.form_fields import field_of
from portal.web.posted import posted_number
from portal.web.signed_in import SignedInRequest

NEEDED = (joining.RIGHT, "families.change_household", "families.change_custody")
NEW, KNOWN = "nouveau", "connu"
NO_WAY_BACK = "Une séparation ne s'annule pas d'un clic : il faudrait réunir les deux foyers."


class PartForm(Asks):
    """Who leaves, with whom, where to and when; what is still to be decided; and why."""

    adults = forms.ModelMultipleChoiceField(
        label="Qui part ?",
        queryset=Guardian.objects.none(),
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": "Choisissez qui part."},
    )
    where = forms.ChoiceField(
        label="Vers quel foyer ?",
        choices=((NEW, "Un nouveau foyer, à l'adresse ci-dessous"), (KNOWN, "Un foyer qui existe déjà")),
        widget=forms.RadioSelect,
        initial=NEW,
    )
    street = forms.CharField(label="Adresse", max_length=200, required=False)
    street_more = forms.CharField(label="Complément d'adresse", max_length=200, required=False)
    postcode = forms.CharField(label="Code postal", max_length=10, required=False)
    city = forms.CharField(label="Commune", max_length=100, required=False)
    number = forms.CharField(
        label="Numéro du foyer",
        max_length=12,
        required=False,
        help_text="Si le foyer existe déjà, et n'a pas d'autre adulte ou est déjà un foyer de l'enfant.",
    )
    since = NearDateField(
        label="Les enfants y vivent à partir du", help_text="Aujourd'hui, ou un jour à venir."
    )
    reason = reason_field("Indiquez pourquoi ce foyer est séparé.")

    def __init__(self, data: Any, *, home: Household, children: list[Child], known: Any, user: Any) -> None:
        super().__init__(data)
        self.home, self.known, self.user = home, known, user
        adults = Guardian.objects.filter(household=home).order_by("pk")
        field_of(self, "adults", forms.ModelMultipleChoiceField).queryset = adults
        self.fields["since"].initial = timezone.localdate()
        self.children = {f"enfant-{child.pk}": child for child in children}
        for name, child in self.children.items():
            self.fields[name] = forms.ChoiceField(
                label=f"{child}", choices=Goes.choices, widget=forms.RadioSelect, initial=Goes.STAYS
            )
        self.other: Household | None = None

    @property
    def children_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in self.children]

    def clean(self) -> dict[str, Any]:
        said = super().clean() or {}
        if said.get("where") == KNOWN:
            number = posted_number(said.get("number", "").strip())
            self.other = self.known.exclude(pk=self.home.pk).filter(pk=number).first() if number else None
            if self.other is None:
                self.add_error("number", "Aucun autre foyer ne porte ce numéro.")
        elif said.get("where") == NEW:
            for name, words in (
                ("street", "Indiquez l'adresse du nouveau foyer."),
                ("postcode", "Indiquez le code postal."),
                ("city", "Indiquez la commune."),
            ):
                if not said.get(name):
                    self.add_error(name, words)
        return said

    def parting(self, answers: dict[str, str]) -> Parting:
        """What was chosen, of a form that is valid but for its reason."""
        said = self.cleaned_data
        return Parting(
            household=self.home,
            adults=tuple(said["adults"]),
            children={child.pk: Goes(said[name]) for name, child in self.children.items()},
            other=self.other,
            address=Address(*(said.get(name, "") for name in Address._fields)),
            since=said["since"],
            answers=answers,
        )

    @property
    def says_all(self) -> bool:
        """Whether everything is there but the reason."""
        return self.is_bound and not set(self.errors) - {"reason"}


class PartsHomes(OwnPages[HomeChange]):
    """The page, at an address of its own."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.part_page)
        return [path("separer/<int:pk>/", view, name="families_homechange_part"), *super().get_urls()]

    def part_page(self, request: SignedInRequest, pk: int) -> HttpResponse:
        self.demand(request, *NEEDED)
        known = rights.seen_by(
            request.user,
            Household.objects.filter(erased_at=None, joined_to=None),
            "families.change_household",
        )
        home = get_object_or_404(known, pk=pk)
        at = timezone.now()
        posted = request.POST if request.method == "POST" else None
        children = homes.children(home, timezone.localdate(at))
        form = PartForm(posted, home=home, children=children, known=known, user=request.user)
        foreseen: Foreseen | None = None
        if posted is not None and form.says_all:
            asked = form.parting(posted.dict())
            foreseen = parting.foresee(asked, at=at)
            form.ask(foreseen.choices, asked.answers, required=False)
            if "_part" in posted and form.is_valid() and not foreseen.obstacles:
                if posted.get("shown") == foreseen.fingerprint:
                    ask_again(request)
                    try:
                        done = parting.part(
                            asked,
                            foreseen.fingerprint,
                            reason=form.cleaned_data["reason"],
                            by=request.user,
                            at=at,
                        )
                    except parting.PartingRefused as refusal:
                        form.add_error(None, str(refusal))
                        foreseen = parting.foresee(asked, at=at)
                    else:
                        return self._parted(request, done)
                else:
                    form.add_error(None, CHANGED)
        if posted is not None and "_part" not in posted:
            form.errors.pop("reason", None)
        context = {
            "home": home,
            "form": form,
            "foreseen": foreseen,
            "sections": list(foreseen.sections.items()) if foreseen else [],
            "way_back": NO_WAY_BACK,
            "back": household_page(home.pk),
        }
        return self.page(request, "admin/families/part.html", "Séparer un foyer", context)

    def _parted(self, request: SignedInRequest, done: HomeChange) -> HttpResponse:
        log_all(request, [done.household, done.other], f"{done}. Motif : {done.reason}")
        messages.success(
            request, f"C'est fait : voici le foyer n°\xa0{done.other.number}. Les adultes sont prévenus."
        )
        return redirect(household_page(done.other_id))
