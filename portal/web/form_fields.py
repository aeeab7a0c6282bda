"""The fields of a form whose own attributes are set when the form is made: rows to choose from, choices."""

from typing import TypeVar

from django import forms

F = TypeVar("F", bound=forms.Field)


def field_of(form: forms.BaseForm, name: str, kind: type[F]) -> F:
    """The field `name` of `form`, which is a `kind`. Raises TypeError if it is none, KeyError without it."""
    field = form.fields[name]
    if not isinstance(field, kind):
        raise TypeError(f"{type(form).__name__}.{name} is a {type(field).__name__}, no {kind.__name__}")
    return field
