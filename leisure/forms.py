"""« Inscription à l'accueil de loisirs / périscolaire », and the choice of a place and a period."""

from datetime import date
from typing import Any

from django import forms

from families.diet_field import DietField
from families.diets import Plate
from leisure.offers import Offer, OfferChoice
from portal.french.day_fields import NearDateField
from portal.french.sentences import lower_first
from portal.reservations.models import Activity, Enrolment, Establishment
from portal.web.form_fields import NamesItsFields, field_of


class EnrolmentForm(NamesItsFields, forms.Form):
    """Ticks activities among those offered; a place for each that has several (left open: all of them)."""

    activities = forms.MultipleChoiceField(
        label="Activités",
        widget=forms.CheckboxSelectMultiple,
        error_messages={
            "required": "Cochez au moins une activité.",
            "invalid_choice": "Une activité n'est pas proposée pour cet enfant : vérifiez votre choix.",
        },
    )

    def __init__(self, *args: Any, offers: list[Offer], plate: Plate, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.offers = [offer for offer in offers if not offer.refusal]
        field_of(self, "activities", forms.MultipleChoiceField).choices = [
            (str(offer.activity.pk), offer.activity.name) for offer in self.offers
        ]
        for offer in self.offers:
            if len(offer.places) > 1:
                self.fields[place_field(offer.activity)] = PlaceField(offer.places)
        self.meals = [offer.activity for offer in self.offers if offer.with_meal]
        if self.meals and not _ask_diet(self, plate, required=False):
            self.meals = []

    def clean(self) -> dict[str, Any]:
        """A meal is eaten in what was ticked: the diet is then not to be left out."""
        data = super().clean() or {}
        wanted = set(data.get("activities", ()))
        eats = [activity for activity in self.meals if str(activity.pk) in wanted]
        if eats and not data.get("diet") and "diet" not in self.errors:
            self.add_error("diet", f"Choisissez le régime alimentaire : {eats[0]} peut comprendre un repas.")
        return data

    def fill_in(self, before: Enrolment) -> None:
        """What was sent before, to correct and send again."""
        self.initial["activities"] = [str(before.activity_id)]
        self.initial[place_field(before.activity)] = before.establishment_id

    def chosen(self) -> list[tuple[Activity, Establishment | None]]:
        """What was ticked, with its place, once valid. One possible place is not asked for."""
        wanted = set(self.cleaned_data["activities"])
        return [
            (
                offer.activity,
                offer.places[0] if len(offer.places) == 1 else self.cleaned_data[place_field(offer.activity)],
            )
            for offer in self.offers
            if str(offer.activity.pk) in wanted
        ]

    def rows(self) -> list[tuple[Offer, bool, forms.BoundField | None]]:
        """For the template: each offer, whether it is ticked, and its list of places."""
        ticked = {str(value) for value in self["activities"].value() or []}
        return [
            (
                offer,
                str(offer.activity.pk) in ticked,
                self[place_field(offer.activity)] if place_field(offer.activity) in self.fields else None,
            )
            for offer in self.offers
        ]


class SituationForm(NamesItsFields, forms.Form):
    """Whether the parents work or train, and since when."""

    works = forms.BooleanField(
        label="Les deux parents, ou le parent seul, travaillent ou sont en formation", required=False
    )
    since = NearDateField(label="Depuis le", required=False)

    def __init__(self, *args: Any, today: date, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.today = today

    def clean_since(self) -> date:
        """Today without another day; nothing is declared for days to come."""
        since: date = self.cleaned_data["since"] or self.today
        if since > self.today:
            raise forms.ValidationError("Indiquez aujourd'hui, ou une date passée.")
        return since


class PlaceField(forms.ModelChoiceField[Establishment]):
    """« Lieu d'accueil », which may be left open."""

    def __init__(self, places: list[Establishment]) -> None:
        super().__init__(
            label="Lieu d'accueil",
            queryset=Establishment.objects.filter(pk__in=[place.pk for place in places]),
            required=False,
            empty_label="À choisir à chaque réservation",
            error_messages={
                "invalid_choice": "Cet établissement n'accueille pas cet enfant pour cette activité."
            },
        )
        self.widget.attrs["class"] = "form-select"


def place_field(activity: Activity) -> str:
    return f"place-{activity.pk}"


def _ask_diet(form: forms.BaseForm, plate: Plate, *, required: bool) -> bool:
    """Adds « Régime alimentaire » where the town offers any; whether it does."""
    field = DietField(required=required, widget=forms.Select(attrs={"class": "form-select"}))
    field.show(plate)
    if field.offered:
        form.fields["diet"] = field
    return bool(field.offered)


class PlaceForm(NamesItsFields, forms.Form):
    """The place of an existing enrolment, and the child's diet where a meal may be eaten (`plate`)."""

    def __init__(
        self,
        *args: Any,
        places: list[Establishment],
        plate: Plate | None = None,
        changes: bool = False,
        **kwargs: Any,
    ) -> None:
        """`changes`: of an enrolment that the town hall accepted, whose days follow from a day on."""
        super().__init__(*args, **kwargs)
        if len(places) > 1:
            self.fields["place"] = PlaceField(places)
            if changes:
                self.fields["since"] = NearDateField(label="Changement à partir du", required=False)
        if plate is not None:
            _ask_diet(self, plate, required=plate.diet is None)


class StartForm(NamesItsFields, forms.Form):
    """« Établissement » ❶ and « Période » ❷."""

    etablissement = forms.ChoiceField(
        label="Établissement",
        error_messages={
            "required": "Choisissez un établissement.",
            "invalid_choice": "Cet établissement n'accueille pas cet enfant.",
        },
    )
    periode = forms.ChoiceField(
        label="Période",
        error_messages={
            "required": "Choisissez une période.",
            "invalid_choice": "Cette période n'est pas proposée pour cet enfant.",
        },
    )

    def __init__(self, *args: Any, choices: list[OfferChoice], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.by_key = {choice.key: choice for choice in choices}
        self.places = {
            str(place.pk): place
            for place in sorted(
                {place for choice in choices for place in choice.places}, key=lambda place: place.name
            )
        }
        places = [(key, place.name) for key, place in self.places.items()]
        field_of(self, "etablissement", forms.ChoiceField).choices = places
        periods = [(key, str(one.period)) for key, one in self.by_key.items()]
        field_of(self, "periode", forms.ChoiceField).choices = periods

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        choice = self.by_key.get(data.get("periode", ""))
        place = self.places.get(data.get("etablissement", ""))
        if choice and choice.closed:
            self.add_error("periode", f"{choice.period} : {lower_first(choice.closed)}")
        elif choice and place and place not in choice.places:
            self.add_error("periode", f"« {choice.period} » n'a pas lieu ici : {place}.")
        return data
