"""What an adult types for the CAF and the MSA to know them by, as civil status has it."""

import re
from datetime import date
from typing import Any

from django import forms
from django.utils import timezone

from families.forms import WithoutPlaceholders
from families.funds import birthplaces, consents
from families.funds.api_particulier import MOST_FIRST_NAMES
from families.funds.interface import FRANCE, Identity
from families.models import Guardian
from portal.french.day_fields import DayField, DayInput
from portal.french.normalised import readable
from portal.web.form_fields import field_of

# Whoever has a file at the CAF is an adult, or nearly one, and alive.
YOUNGEST_YEARS, OLDEST_YEARS = 15, 110
SEXES = (("", "Je préfère ne pas le dire"), ("F", "Féminin"), ("M", "Masculin"))
IDENTITY = ("birth_name", "used_name", "first_names", "birth_date", "sex", "country", "town", "department")
# What the agent reads instead: field, label or the usual one, help.
ON_PAPER = (
    ("birth_name", "", "Celui de l'acte de naissance."),
    ("used_name", "", "S'il y en a un autre."),
    ("first_names", "", "Dans l'ordre de l'acte de naissance, séparés par des virgules."),
    ("sex", "Sexe à l'état civil, s'il est dit", ""),
)
NAME = re.compile(r"[^\d<>@=/\\]+")


class PlainName(forms.CharField):
    """A name as it is written: composed letters, single spaces."""

    def clean(self, value: Any) -> str:
        text = readable(super().clean(value))
        if text and not NAME.fullmatch(text):
            raise forms.ValidationError("Écrivez un nom, sans chiffre ni signe.")
        return text


class IdentityForm(WithoutPlaceholders):
    """The identity, and the consent itself."""

    birth_name = PlainName(
        label="Nom de naissance",
        max_length=80,
        help_text="Celui de votre acte de naissance.",
    )
    used_name = PlainName(
        label="Nom d'usage",
        max_length=80,
        required=False,
        help_text="Si vous en portez un autre, celui de votre époux ou épouse par exemple.",
    )
    first_names = PlainName(
        label="Prénoms",
        max_length=120,
        help_text="Dans l'ordre de l'acte de naissance, séparés par des virgules : Camille, Anne, Louise.",
    )
    birth_date = forms.DateField(label="Date de naissance", widget=DayInput)
    sex = forms.ChoiceField(
        label="Sexe à l'état civil",
        choices=SEXES,
        required=False,
        help_text="La CAF et la MSA vous reconnaissent mieux s'il est dit.",
    )
    country = forms.ChoiceField(label="Pays de naissance", initial=FRANCE)
    town = PlainName(
        label="Commune de naissance", max_length=100, required=False, help_text="Si c'est en France."
    )
    department = forms.CharField(
        label="Département de naissance",
        max_length=3,
        required=False,
        help_text="Si c'est en France, son numéro : 35, 2A, 974.",
    )
    agrees = forms.BooleanField(
        label="J'ai lu ce texte et je donne mon accord",
        error_messages={"required": "Cochez la case pour donner votre accord."},
    )

    def __init__(self, *args: Any, guardian: Guardian, **kwargs: Any) -> None:
        self.guardian = guardian
        kwargs["initial"] = {
            "birth_name": guardian.last_name,
            "first_names": guardian.first_name,
        } | (kwargs.get("initial") or {})
        super().__init__(*args, **kwargs)
        # Of who was born in France; the labels of others' say so.
        in_france = not self.is_bound or self.data.get("country", FRANCE) == FRANCE
        self.fields["town"].required = self.fields["department"].required = in_france
        field_of(self, "country", forms.ChoiceField).choices = list(birthplaces.countries().items())
        for name, told in (
            ("birth_name", "family-name"),
            ("first_names", "given-name"),
            ("birth_date", "bday"),
        ):
            self.fields[name].widget.attrs["autocomplete"] = told

    def clean_first_names(self) -> tuple[str, ...]:
        text: str = self.cleaned_data["first_names"]
        names = [name.strip() for name in text.split(",")] if "," in text else text.split()
        return tuple(name for name in names if name)[:MOST_FIRST_NAMES]

    def clean_birth_date(self) -> date:
        day: date = self.cleaned_data["birth_date"]
        years = (timezone.localdate() - day).days // 365
        if not YOUNGEST_YEARS <= years <= OLDEST_YEARS:
            raise forms.ValidationError("Vérifiez l'année : c'est la date de naissance d'un adulte du foyer.")
        return day

    def clean_department(self) -> str:
        text: str = self.cleaned_data["department"].strip().upper()
        if len(text) == 1:
            text = f"0{text}"
        if text and not birthplaces.is_department(text):
            raise forms.ValidationError("Écrivez le numéro d'un département : 35, 2A, 974.")
        return text

    def clean(self) -> dict[str, Any]:
        typed = super().clean() or self.cleaned_data
        if typed.get("country") != FRANCE:
            typed["town"] = typed["department"] = ""
        if not self.errors and not consents.is_own(self.guardian, self.identity):
            self.add_error(None, consents.NOT_OWN)
        return typed

    @property
    def identity(self) -> Identity:
        """Of a form that is valid."""
        return Identity(**{name: self.cleaned_data[name] for name in IDENTITY})


class PaperForm(IdentityForm):
    """The same, copied by an agent from what an adult has signed."""

    signed_on = DayField(label="Signé le", help_text="La date qui est sur le papier.")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, label, text in ON_PAPER:
            self.fields[name].label = label or self.fields[name].label
            self.fields[name].help_text = text
        field_of(self, "sex", forms.ChoiceField).choices = [("", "Pas dit"), *SEXES[1:]]
        agrees = self.fields["agrees"]
        agrees.label = "J'ai ce texte signé sous les yeux, et la mairie le garde"
        agrees.error_messages["required"] = "Sans le papier signé, la mairie ne demande rien."
        for name in ("birth_name", "first_names", "birth_date"):
            self.fields[name].widget.attrs["autocomplete"] = "off"
        self.order_fields([*IDENTITY, "signed_on", "agrees"])

    def clean_signed_on(self) -> date:
        day: date = self.cleaned_data["signed_on"]
        if day > timezone.localdate():
            raise forms.ValidationError(consents.SIGNED_LATER)
        return day
