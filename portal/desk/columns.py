"""What is typed in the desk's forms: amounts as French hands write them, days of years that can be meant."""

from typing import Any

from django import forms
from django.db import models

from portal.french.day_fields import check_possible
from portal.french.numbers import TypedDecimalField


class TypedColumns:
    """A page or an inline of the desk. Decimal columns are shown with a comma, and taken with one or a point;
    a day or a moment of the year 9999 is a slip, said at its field."""

    def formfield_for_dbfield(self, db_field: Any, request: Any, **kwargs: Any) -> Any:
        if isinstance(db_field, models.DecimalField):
            widget = forms.TextInput(attrs={"size": 8, "inputmode": "decimal"})
            kwargs = {"form_class": TypedDecimalField, "widget": widget} | kwargs
        field = super().formfield_for_dbfield(db_field, request, **kwargs)  # type: ignore[misc]  # Django admin's
        if field is not None and isinstance(db_field, models.DateField):
            field.validators.append(check_possible)
        return field
