"""Numbers as French hands type or paste them: « 1 200,50 € »."""

from decimal import Decimal
from typing import Any

from django import forms


def plain(text: str) -> str:
    """« 1 200,50 € » → « 1200.50 »; spaces of every kind go."""
    return "".join(text.replace("€", "").split()).replace(",", ".")


class TypedDecimalField(forms.DecimalField):
    """A number shown with a comma, and taken with a comma or a point, spaces and « € » or not."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(localize=True, **{"widget": forms.TextInput({"inputmode": "decimal"})} | kwargs)

    def to_python(self, value: Any) -> Decimal | None:  # type: ignore[override]  # Django derives decimals from integers
        return super().to_python(plain(value) if isinstance(value, str) else value)
