"""Months of the year chosen by checkboxes, in the order of a school year; kept as one number."""

from typing import Any

from django import forms
from django.db import models

from portal.french.months import IN_ORDER, called, months_in, months_mask


class MonthMaskFormField(forms.TypedMultipleChoiceField):
    """Checkboxes, one a month; its value is the mask."""

    widget = forms.CheckboxSelectMultiple

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("choices", [(month, called(month).capitalize()) for month in IN_ORDER])
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
