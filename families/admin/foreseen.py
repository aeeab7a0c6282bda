"""What the desk's pages share that join or part households: the household looked for, what the preview asks,
why it is done."""

from collections.abc import Iterable, Mapping

from django import forms
from django.contrib.admin import AdminSite
from django.db.models import QuerySet
from django.http import HttpRequest

from families.joining import joining
from families.joining.joining import Choice
from families.models import Household

CHANGED = "L'aperçu a changé : relisez-le, puis confirmez."


def called(
    site: AdminSite, request: HttpRequest, homes: QuerySet[Household], words: str
) -> QuerySet[Household]:
    """Those of `homes` that the list of households finds by these words."""
    rows, _ = site.get_model_admin(Household).get_search_results(request, homes, words)
    return rows.distinct()


def reason_field(missing: str) -> forms.CharField:
    return forms.CharField(
        label="Motif, pour la mairie",
        widget=forms.TextInput(attrs={"class": "vTextField"}),
        max_length=joining.REASON_LENGTH,
        help_text="Gardé dans l'historique des deux foyers, jamais envoyé aux familles.",
        error_messages={"required": missing},
    )


class Asks(forms.Form):
    """A form to which the preview adds its questions."""

    asked: tuple[str, ...] = ()

    def ask(self, choices: Iterable[Choice], answers: Mapping[str, str], *, required: bool) -> None:
        for choice in choices:
            self.fields[choice.name] = forms.ChoiceField(
                label=choice.label,
                choices=choice.options,
                widget=forms.RadioSelect,
                initial=choice.answered(answers),
                required=required,
                help_text=choice.hint,
                error_messages={"required": "Choisissez une réponse."},
            )
            self.asked = (*self.asked, choice.name)

    @property
    def questions(self) -> list[forms.BoundField]:
        return [self[name] for name in self.asked]
