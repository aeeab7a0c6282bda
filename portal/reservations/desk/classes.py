"""A list of classes at the desk: by school, each named with it, of the years that are not over."""

from collections.abc import Iterator
from itertools import groupby
from typing import Any

from django import forms
from django.db.models import QuerySet
from django.forms.models import ModelChoiceIterator

from portal.reservations.models import SchoolClass


def offered() -> QuerySet[SchoolClass]:
    return SchoolClass.objects.select_related("school", "school_year").order_by(
        "-school_year__starts_on", "school__name", "school", "level", "name"
    )


class _BySchool(ModelChoiceIterator[SchoolClass]):
    """Groups headed by a school and a year: two schools may have a « CE1 »."""

    def __iter__(self) -> Iterator[Any]:
        if self.field.empty_label is not None:
            yield "", self.field.empty_label
        for (school, year), classes in groupby(
            self.queryset, key=lambda one: (one.school.name, one.school_year.name)
        ):
            yield f"{school} – {year}", [self.choice(one) for one in classes]


class ClassField(forms.ModelChoiceField[SchoolClass]):
    """« Classe », to choose from a list by school."""

    iterator = _BySchool

    def __init__(self, **given: Any) -> None:
        super().__init__(offered(), label="Classe", empty_label="Choisir…", **given)
