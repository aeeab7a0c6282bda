"""A set of weekdays in one small integer: bit 0 is Monday."""

from collections.abc import Iterable
from typing import Any

from django import forms
from django.db import models

from portal.french.dates import WEEKDAYS

MONDAY_TO_FRIDAY = 0b11111
EVERY_DAY = 0b1111111
# Numbers of weekdays, as they stand in `portal.french.dates.WEEKDAYS`.
MONDAY, FRIDAY = 0, 4


def mask_of(weekdays: Iterable[int]) -> int:
    """The mask of weekday numbers (0 is Monday)."""
    mask = 0
    for weekday in weekdays:
        mask |= 1 << int(weekday)
    return mask


def weekdays_in(mask: int) -> list[int]:
    """The weekday numbers in a mask, in order."""
    return [weekday for weekday in range(7) if mask >> weekday & 1]


def names_of(mask: int) -> str:
    """« lundi, mardi »: the mask in French."""
    return ", ".join(WEEKDAYS[weekday] for weekday in weekdays_in(mask))


class WeekdayMaskFormField(forms.TypedMultipleChoiceField):
    """Checkboxes, one a weekday; its value is the mask."""

    widget = forms.CheckboxSelectMultiple

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("choices", list(enumerate(name.capitalize() for name in WEEKDAYS)))
        kwargs["coerce"] = int
        kwargs.setdefault("empty_value", 0)
        super().__init__(*args, **kwargs)

    def prepare_value(self, value: Any) -> Any:
        return weekdays_in(value) if isinstance(value, int) else value

    def clean(self, value: Any) -> int:
        return mask_of(super().clean(value) or [])

    def has_changed(self, initial: Any, data: Any) -> bool:
        return super().has_changed([str(day) for day in self.prepare_value(initial) or []], data)


class WeekdayMaskField(models.PositiveSmallIntegerField[int, int]):
    """A model field holding a mask of weekdays, edited as checkboxes."""

    def formfield(self, **kwargs: Any) -> forms.Field:
        kwargs.pop("widget", None)
        return WeekdayMaskFormField(
            label=kwargs.get("label", self.verbose_name.capitalize()),
            help_text=kwargs.get("help_text", self.help_text),
            required=kwargs.get("required", not self.blank),
            initial=self.default if self.has_default() else None,
        )
