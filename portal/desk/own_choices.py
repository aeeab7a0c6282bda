"""Forms of the desk that offer and take only what reaches whoever fills them in."""

import copy
from typing import Any

from django import forms
from django.contrib.auth import get_permission_codename
from django.db.models import ManyToManyField, Model

from portal.desk import rights

CHOOSE = "Choisissez parmi les établissements que vous suivez : toute la commune n'est pas de votre ressort."


def looking(model: type[Model]) -> tuple[str, ...]:
    """The rights by which a row is looked at."""
    return _rights(model, "view", "change")


def changing(model: type[Model]) -> str:
    """The right to change a row, by which it is answered too."""
    (right,) = _rights(model, "change")
    return right


def writing(model: type[Model]) -> tuple[str, ...]:
    """The rights to add, to change and to delete a row."""
    return _rights(model, "add", "change", "delete")


def _rights(model: type[Model], *verbs: str) -> tuple[str, ...]:
    named = model._meta
    return tuple(f"{named.app_label}.{get_permission_codename(verb, named)}" for verb in verbs)


def offer(form: Any, user: Any, *needed: str, kept_of: Model | None = None) -> None:
    """Leaves, in each choice of rows of a form's class, those that `needed` reach. What the row `kept_of`
    names already stays, so that saving it takes nothing away. The class is this request's own, its fields
    may not be."""
    for name, field in list(form.base_fields.items()):
        if not isinstance(field, forms.ModelChoiceField) or field.queryset is None:
            continue
        offered = rights.seen_by(user, field.queryset, *needed)
        if offered is field.queryset:
            continue
        if kept := _named_by(kept_of, name):
            offered = offered | field.queryset.filter(pk__in=kept)
        form.base_fields[name] = narrowed = copy.deepcopy(field)
        narrowed.queryset = offered


def require(form: Any, user: Any, name: str, right: str) -> None:
    """Where an empty choice means the whole town, it is for who has it: others have to choose."""
    field = form.base_fields.get(name)
    if field is not None and right in rights.held_in_part_by(user):
        field.required = True
        field.error_messages["required"] = CHOOSE
        field.help_text = CHOOSE


def _named_by(row: Model | None, name: str) -> list[Any]:
    """The keys of what a row names in its field `name`."""
    if row is None or row.pk is None or name not in {one.name for one in row._meta.get_fields()}:
        return []
    field = row._meta.get_field(name)
    if isinstance(field, ManyToManyField):
        return list(getattr(row, name).values_list("pk", flat=True))
    key = getattr(row, getattr(field, "attname", ""), None)
    return [] if key is None else [key]


def demand(user: Any, row: Model, right: str) -> None:
    """Raises OutOfReach for a row that `right` does not reach."""
    if not rights.may(user, row, right):
        raise rights.OutOfReach
