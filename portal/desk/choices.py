"""Lists of rows in the desk's forms that take a tampered key for what it is: a choice that does not exist.

Django's autocompletes look a posted key up while they draw the form again, and its lists of several look all
keys up at once: « abc », or a number longer than the database's, would be an error of the server.
"""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib.admin.options import BaseModelAdmin
from django.contrib.admin.widgets import AutocompleteMixin, AutocompleteSelect, AutocompleteSelectMultiple
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import QuerySet
from django.http import HttpRequest

from portal.desk.site import M


def is_key(rows: QuerySet[Any], value: Any) -> bool:
    """Whether `value` can be a key of these rows at all, without asking the database."""
    try:
        rows.model._meta.pk.clean(value, None)
    except ValidationError:
        return False
    return True


class _Tolerant(AutocompleteMixin):
    """An autocomplete that draws only what can be a row."""

    def optgroups(self, name: str, value: Sequence[str], attr: Any = None) -> list[Any]:
        rows = self.choices.field.queryset
        return super().optgroups(name, [one for one in value if is_key(rows, one)], attr)


class TolerantSelect(_Tolerant, AutocompleteSelect):
    """One row."""


class TolerantSelectMultiple(_Tolerant, AutocompleteSelectMultiple):
    """Several rows."""


class SeveralRows(forms.ModelMultipleChoiceField[M]):
    """Django's own, where a key that cannot be one is refused before the database sees it."""

    def clean(self, value: Any) -> QuerySet[M]:
        for one in value or ():
            if self.queryset is not None and not is_key(self.queryset, one):
                raise ValidationError(self.error_messages["invalid_choice"], "invalid_choice", {"value": one})
        return super().clean(value)


class TolerantChoices(BaseModelAdmin[M]):
    """What every admin class and inline with `autocomplete_fields`, or a list of several rows, is made of."""

    def formfield_for_foreignkey(
        self, db_field: models.ForeignKey[Any, Any], request: HttpRequest, **given: Any
    ) -> Any:
        if db_field.name in self.get_autocomplete_fields(request):
            given.setdefault("widget", TolerantSelect(db_field, self.admin_site, using=given.get("using")))
        return super().formfield_for_foreignkey(db_field, request, **given)

    def formfield_for_manytomany(
        self, db_field: models.ManyToManyField[Any, Any], request: HttpRequest, **given: Any
    ) -> Any:
        given.setdefault("form_class", SeveralRows)
        if db_field.name in self.get_autocomplete_fields(request):
            widget = TolerantSelectMultiple(db_field, self.admin_site, using=given.get("using"))
            given.setdefault("widget", widget)
        return super().formfield_for_manytomany(db_field, request, **given)
