"""Fields of the desk's forms of money, and what another page proposes for them."""

from decimal import Decimal
from typing import Any

from django import forms
from django.http import HttpRequest

from portal.french.numbers import TypedDecimalField


class AmountField(TypedDecimalField):
    """A positive amount in euros."""

    def __init__(self, **kwargs: Any) -> None:
        widget = forms.TextInput(attrs={"size": 10, "inputmode": "decimal"})
        super().__init__(min_value=Decimal("0.01"), decimal_places=2, max_digits=10, widget=widget, **kwargs)

    def prepare_value(self, value: Any) -> Any:
        """« 24,50 », also of what SQLite computed as 24.5."""
        cents = value.quantize(Decimal("0.01")) if isinstance(value, Decimal) else value
        return super().prepare_value(cents)


def proposed(request: HttpRequest, most: Decimal) -> Decimal | None:
    """The amount that the way here proposes (`?montant=`), else all there is; None where there is nothing."""
    try:
        asked = AmountField().clean(request.GET.get("montant", ""))
    except forms.ValidationError:
        asked = most
    return min(asked, most) if most > 0 else None
