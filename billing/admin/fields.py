"""Fields of the desk's forms of money."""

from decimal import Decimal
from typing import Any

from django import forms

from portal.french.numbers import TypedDecimalField


class AmountField(TypedDecimalField):
    """A positive amount in euros."""

    def __init__(self, **kwargs: Any) -> None:
        widget = forms.TextInput(attrs={"size": 10, "inputmode": "decimal"})
        super().__init__(min_value=Decimal("0.01"), decimal_places=2, max_digits=10, widget=widget, **kwargs)
