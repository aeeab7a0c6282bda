"""« Régime alimentaire » on the forms of every service where a meal is eaten: the child's, whoever asks."""

from collections.abc import Sequence
from typing import Any

from django import forms

from families.diets import Plate
from families.models import Diet


class DietField(forms.ModelChoiceField[Diet]):
    """The diets that are offered, read once; `show` begins with that of a child."""

    offered: Sequence[Diet] = ()

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            queryset=Diet.objects.none(),
            **{"label": "Régime alimentaire", "empty_label": "Choisir…"} | kwargs,
        )

    def show(self, plate: Plate) -> None:
        self.queryset = Diet.objects.filter(active=True)
        self.offered = list(self.queryset)
        self.choices = [("", self.empty_label), *((diet.pk, str(diet)) for diet in self.offered)]
        self.initial = plate.diet
        self.help_text = plate.note
