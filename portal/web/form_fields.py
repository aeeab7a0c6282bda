"""The fields of a form whose own attributes are set when the form is made: rows to choose from, choices."""

from typing import Any, TypeVar

from django import forms

from portal.french.sentences import inside

F = TypeVar("F", bound=forms.Field)


def field_of(form: forms.BaseForm, name: str, kind: type[F]) -> F:
    """The field `name` of `form`, which is a `kind`. Raises TypeError if it is none, KeyError without it."""
    field = form.fields[name]
    if not isinstance(field, kind):
        raise TypeError(f"{type(form).__name__}.{name} is a {type(field).__name__}, no {kind.__name__}")
    return field


class NamesItsFields(forms.BaseForm):
    """A form of families: what is missing is named, so that fourteen mistakes are fourteen sentences."""

    def add_error(self, field: Any, error: Any) -> None:
        if field is not None and isinstance(error, forms.ValidationError) and _says_nothing_more(error):
            error = forms.ValidationError(missing(self.fields[field]), code="required")
        super().add_error(field, error)


def _says_nothing_more(error: forms.ValidationError) -> bool:
    """Whether it is Django's own « Ce champ est obligatoire. »: a field's own sentence stays."""
    usual = str(forms.Field.default_error_messages["required"])
    return getattr(error, "code", None) == "required" and error.messages == [usual]


def missing(field: forms.Field) -> str:
    """« Champ à remplir : prénom. », « Choix à faire : école. », « Fichier à joindre : justificatif. »"""
    label = inside(str(field.label or ""))
    what = "Champ à remplir"
    if isinstance(field, forms.FileField):
        what = "Fichier à joindre"
    elif isinstance(field, forms.ChoiceField | forms.BooleanField):
        what = "Choix à faire"
    return f"{what} : {label}."
