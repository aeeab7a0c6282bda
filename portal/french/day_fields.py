"""Fields for days, moments and months as they are picked or typed, and the years that can be meant."""

from datetime import date, timedelta
from typing import Any

from django import forms
from django.utils import timezone

# No town kept its books here before, and no slip reaches the end of what calendars can count.
FIRST_YEAR, LAST_YEAR = 2000, 2200
A_YEAR = timedelta(days=366)


class DayInput(forms.DateInput):
    """The browser's own date picker; it takes ISO dates only."""

    input_type = "date"

    def __init__(self, **attrs: Any) -> None:
        super().__init__(attrs=attrs, format="%Y-%m-%d")


class HourInput(forms.TimeInput):
    """An hour of the day, typed or picked."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(attrs={"type": "time"}, format="%H:%M", **kwargs)


class MomentInput(forms.DateTimeInput):
    """The browser's own picker of a day and an hour."""

    input_type = "datetime-local"

    def __init__(self, **attrs: Any) -> None:
        super().__init__(attrs=attrs, format="%Y-%m-%dT%H:%M")


def is_possible(day: date) -> bool:
    """Whether a day, or a moment, is of the years that can be meant."""
    return FIRST_YEAR <= day.year <= LAST_YEAR


def check_possible(day: date) -> None:
    """A validator; raises ValidationError for a day or a moment of an impossible year."""
    if not is_possible(day):
        raise forms.ValidationError(f"Choisissez un jour entre {FIRST_YEAR} et {LAST_YEAR}.")


class DayField(forms.DateField):
    """A day of a possible year."""

    widget = DayInput
    default_validators = [check_possible]


class MomentField(forms.DateTimeField):
    """A day and an hour of a possible year, as an aware moment."""

    widget = MomentInput
    default_validators = [check_possible]


class NearDateField(forms.DateField):
    """A day at most a year away from today: « 26 » typed is the year 26, and a slip makes 2062 of 2026."""

    widget = DayInput

    def clean(self, value: Any) -> date | None:
        day: date | None = super().clean(value)
        if day is not None and abs(day - timezone.localdate()) > A_YEAR:
            raise forms.ValidationError("Vérifiez l'année : cette date est à plus d'un an d'aujourd'hui.")
        return day


def first_of_month(text: str) -> date:
    """« 2026-10 » as the first of October. Raises ValueError for anything else."""
    return date.fromisoformat(f"{text}-01")


class MonthField(forms.CharField):
    """A month, as its first day."""

    def __init__(self, **kwargs: Any) -> None:
        widget = forms.TextInput(attrs={"type": "month", "placeholder": "2026-10"})
        super().__init__(label="Mois", widget=widget, **kwargs)

    def clean(self, value: Any) -> date:
        try:
            month = first_of_month(super().clean(value))
        except ValueError:
            raise forms.ValidationError("Écrivez le mois ainsi : 2026-10.") from None
        if not is_possible(month):
            raise forms.ValidationError("Vérifiez l'année de ce mois.")
        return month
