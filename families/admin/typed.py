"""What is typed at the desk of people is checked as on the families' side: the same rules, once each.

What stood there before and is not touched passes, so that the rest of an old row can still be corrected.
"""

from typing import Any

from django import forms
from django.contrib.admin.options import IS_POPUP_VAR
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from families import approval
from families.forms import HoldsAnAddress, check_birth_date, postcode_validator
from families.models import Child, Custody, Household
from portal.desk.named_rows import opens
from portal.french.day_fields import NearDateField

ANOTHER = "another"
IDENTITY = ("first_name", "last_name", "birth_date")
NO_HOME = "Indiquez le foyer où vit cet enfant."


class HouseholdForm(HoldsAnAddress, forms.ModelForm[Household]):
    """A household; where its residence changes, from which day."""

    resident_since = NearDateField(
        label="Ce changement vaut à partir du",
        required=False,
        help_text="Si l'adresse ou la case change. Vide : d'aujourd'hui. Avant, les prix restent.",
    )

    def clean_postcode(self) -> str:
        postcode: str = self.cleaned_data["postcode"]
        if "postcode" in self.changed_data:
            postcode_validator(postcode)
        return postcode

    def clean_city(self) -> str:
        touched = {"postcode", "city"} & set(self.changed_data)
        return super().clean_city() if touched else str(self.cleaned_data["city"])


class ChildForm(forms.ModelForm[Child]):
    """A child; one that is known already is typed again only where somebody says that it is another one."""

    another = forms.BooleanField(label="C'est un autre enfant : enregistrer quand même", required=False)
    # Who asks, which `DeskAdmin` leaves with the forms of its pages.
    desk_request: HttpRequest

    def clean_birth_date(self) -> Any:
        day = self.cleaned_data["birth_date"]
        return check_birth_date(day, timezone.localdate()) if "birth_date" in self.changed_data else day

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or self.cleaned_data
        touched = self.instance.pk is None or set(IDENTITY) & set(self.changed_data)
        if touched and given.keys() >= set(IDENTITY) and not given.get(ANOTHER):
            said = {name: given[name] for name in IDENTITY}
            if known := approval.same_as(Child(pk=self.instance.pk, **said)):
                self.add_error(ANOTHER if ANOTHER in self.fields else None, _known(self.desk_request, known))
        return given


def _known(request: HttpRequest, children: list[Child]) -> SafeString:
    """Says that the child is there already, with the way to those whom the agent may see."""
    seen = [
        (reverse("admin:families_child_change", args=[one.pk]), one, f"{one.birth_date:%d/%m/%Y}")
        for one in children
        if opens(request, Child, one)
    ]
    links = format_html_join(", ", '<a href="{}">{}, né(e) le {}</a>', seen)
    text = "Un enfant du même nom, né le même jour, est déjà connu{}{}. Si c'est un autre, cochez la case."
    return format_html(text, " : " if seen else "", links)


def asks_whether_another(request: HttpRequest) -> bool:
    """Whether the page was posted with a child that is known already: only then it shows the box."""
    if request.method != "POST":
        return False
    if ANOTHER in request.POST:
        return True
    typed = _Identity(request.POST)
    return typed.is_valid() and bool(approval.same_as(Child(**typed.cleaned_data)))


class _Identity(forms.ModelForm[Child]):
    class Meta:
        model = Child
        fields = IDENTITY


class HomesFormSet(forms.BaseInlineFormSet[Custody, Child, forms.ModelForm[Custody]]):
    """The households of a child: a new one has one, unless it is typed from the household's own page."""

    def clean(self) -> None:
        super().clean()
        request: HttpRequest | None = getattr(self.form, "desk_request", None)
        from_household = request is not None and IS_POPUP_VAR in request.POST
        if self.instance.pk is not None or from_household or any(self.errors):
            return
        if not any(form.cleaned_data.get("household") for form in self.forms):
            raise forms.ValidationError(NO_HOME)
