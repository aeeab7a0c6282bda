"""Months of the year as one number, bit 0 for January: « septembre à juin ». Checkboxes, in the order of a
school year."""

from collections.abc import Iterable
from typing import Any

from django import forms
from django.db import models

from portal.french.dates import MONTHS

# September first, as a school year goes.
IN_ORDER = tuple((month + 8) % 12 + 1 for month in range(12))


def months_in(mask: int) -> list[int]:
    """The numbers of the months, 1 for January, September first."""
    return [month for month in IN_ORDER if mask >> (month - 1) & 1]


def months_mask(months: Iterable[int]) -> int:
    found = 0
    for month in months:
        found |= 1 << (month - 1)
    return found


def months_between(first: int, last: int) -> list[int]:
    """From a month to another one, over the turn of the year: 9 and 6 are September to June."""
    return [(first - 1 + step) % 12 + 1 for step in range((last - first) % 12 + 1)]


def in_words(mask: int) -> str:
    """« de septembre à juin », « en novembre, février et mai »."""
    months = months_in(mask)
    for first in months:
        if len(months) > 1 and set(months_between(first, _before(first, len(months)))) == set(months):
            return f"de {MONTHS[first - 1]} à {MONTHS[_before(first, len(months)) - 1]}"
    names = [MONTHS[month - 1] for month in months]
    return (
        f"en {', '.join(names[:-1])} et {names[-1]}" if len(names) > 1 else f"en {names[0]}" if names else ""
    )


def _before(first: int, count: int) -> int:
    return (first - 1 + count - 1) % 12 + 1


class MonthMaskFormField(forms.TypedMultipleChoiceField):
    """Checkboxes, one a month; its value is the mask."""

    widget = forms.CheckboxSelectMultiple

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("choices", [(month, MONTHS[month - 1].capitalize()) for month in IN_ORDER])
        kwargs["coerce"] = int
        kwargs.setdefault("empty_value", 0)
        super().__init__(*args, **kwargs)

    def prepare_value(self, value: Any) -> Any:
        return months_in(value) if isinstance(value, int) else value

    def clean(self, value: Any) -> int:
        return months_mask(super().clean(value) or [])

    def has_changed(self, initial: Any, data: Any) -> bool:
        return super().has_changed([str(month) for month in self.prepare_value(initial) or []], data)


class MonthMaskField(models.PositiveSmallIntegerField[int, int]):
    """A model field holding a mask of months, edited as checkboxes; 0: none was chosen."""

    def formfield(self, **kwargs: Any) -> forms.Field:
        kwargs.pop("widget", None)
        return MonthMaskFormField(
            label=kwargs.get("label", self.verbose_name.capitalize()),
            help_text=kwargs.get("help_text", self.help_text),
            required=kwargs.get("required", not self.blank),
            initial=self.default if self.has_default() else None,
        )
