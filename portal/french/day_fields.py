"""Days that are never far: « 26 » typed for a year is the year 26, and a slip makes 2062 of 2026."""

from datetime import date, timedelta
from typing import Any

from django import forms
from django.utils import timezone

A_YEAR = timedelta(days=366)


class NearDateField(forms.DateField):
    """A day at most a year away from today."""

    def clean(self, value: Any) -> date | None:
        day: date | None = super().clean(value)
        if day is not None and abs(day - timezone.localdate()) > A_YEAR:
            raise forms.ValidationError("Vérifiez l'année : cette date est à plus d'un an d'aujourd'hui.")
        return day
