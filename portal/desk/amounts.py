"""Amounts, percentages and coefficients in the desk's forms, as French hands type them."""

from typing import Any

from django import forms
from django.db import models

from portal.french.numbers import TypedDecimalField


class FrenchAmounts:
    """A page or an inline whose decimal columns are shown with a comma, and taken with a comma or a point."""

    def formfield_for_dbfield(self, db_field: Any, request: Any, **kwargs: Any) -> Any:
        if isinstance(db_field, models.DecimalField):
            widget = forms.TextInput(attrs={"size": 8, "inputmode": "decimal"})
            kwargs = {"form_class": TypedDecimalField, "widget": widget} | kwargs
        return super().formfield_for_dbfield(db_field, request, **kwargs)  # type: ignore[misc]  # Django admin's, mixed in
