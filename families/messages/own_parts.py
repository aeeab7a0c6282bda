"""What people's own floor asks of an audience: all families or some, and those who lack a paper."""

from collections.abc import Sequence
from typing import Any

from django import forms

from families.messages.audiences import RIGHT, Keys, Part, known_homes, register
from families.models import Child, Household, PaperKind, household_number
from families.papers import missing
from portal.desk import rights
from portal.desk.choices import SeveralRows
from portal.french.plurals import counted
from portal.web.form_fields import field_of
from portal.web.posted import posted_numbers

PAPERS = "families.view_paper"
NAMED = 5
# Households of a list, which a message is for.
MOST_CHOSEN = 2000


def several(rows: Any, label: str, help_text: str = "") -> Any:
    """A list of rows to tick."""
    return SeveralRows(
        rows, label=label, required=False, help_text=help_text, widget=forms.CheckboxSelectMultiple
    )


def named(label: str, rows: Sequence[Any]) -> str:
    """« école : École des Tilleuls, École du Moulin »; the first ones of many."""
    said = [str(row) for row in rows[:NAMED]]
    if (more := len(rows) - NAMED) > 0:
        said.append(f"et {more} de plus")
    return f"{label}\xa0: {', '.join(said)}"


class SeveralHomes(SeveralRows[Household]):
    """Each with its adults."""

    def label_from_instance(self, obj: Any) -> str:
        names = ", ".join(str(adult) for adult in obj.guardians.all())
        return f"{household_number(obj.pk)}{f', {names}' if names else ''}"


class Families(Part):
    code = "familles"
    legend = "Familles"

    everyone = forms.BooleanField(label="Toutes les familles", required=False)
    homes_chosen = SeveralHomes(
        Household.objects.none(), label="Foyers choisis", required=False, widget=forms.CheckboxSelectMultiple
    )
    where = forms.ChoiceField(
        label="Commune",
        required=False,
        choices=[("", "Toutes"), ("here", "Habitent la commune"), ("away", "Habitent hors commune")],
    )

    def __init__(self, data: Any, **given: Any) -> None:
        super().__init__(data, **given)
        # Those of the list only: nobody ticks ten thousand households here.
        keys = posted_numbers(data.getlist(self.add_prefix("homes_chosen")))[:MOST_CHOSEN]
        rows = rights.seen_by(self.user, known_homes(), RIGHT).filter(pk__in=keys)
        chosen = field_of(self, "homes_chosen", forms.ModelMultipleChoiceField)
        chosen.queryset = rows.prefetch_related("guardians")
        if not keys:
            del self.fields["homes_chosen"]

    def homes(self) -> Keys:
        rows = known_homes()
        chosen = self.cleaned_data.get("homes_chosen")
        if chosen:
            rows = rows.filter(pk__in=[home.pk for home in chosen])
        if self.cleaned_data["where"]:
            rows = rows.filter(resident=self.cleaned_data["where"] == "here")
        return rows.values("pk")

    def words(self) -> list[str]:
        said = []
        if chosen := self.cleaned_data.get("homes_chosen"):
            said.append(counted(len(chosen), "foyer choisi", "foyers choisis"))
        elif self.cleaned_data["everyone"]:
            said.append("toutes les familles")
        if self.cleaned_data["where"]:
            here = self.cleaned_data["where"] == "here"
            said.append("habitent la commune" if here else "habitent hors commune")
        return said


class LackingPapers(Part):
    code = "papiers"
    legend = "À qui manque un papier"

    kinds = several(PaperKind.objects.none(), "Papier", "Une famille à qui manque l'un d'eux est choisie.")

    def __init__(self, data: Any, **given: Any) -> None:
        super().__init__(data, **given)
        mine = [one for one, right in PaperKind.RIGHTS.items() if self.user.has_perm(right)]
        field = field_of(self, "kinds", forms.ModelMultipleChoiceField)
        field.queryset = PaperKind.objects.filter(active=True, secrecy__in=mine)

    def homes(self) -> Keys:
        seen = rights.seen_by(self.user, known_homes(), PAPERS)
        children = rights.seen_by(self.user, Child.objects.all(), PAPERS)
        kinds = {kind.pk for kind in self.cleaned_data["kinds"]}
        return {gap.household for gap in missing.gaps(seen, children, kinds, self.today)}

    def words(self) -> list[str]:
        return [named("manque", list(self.cleaned_data["kinds"]))]


def register_own() -> None:
    register(Families, order=10)
    register(LackingPapers, order=40, rights=(PAPERS,))
