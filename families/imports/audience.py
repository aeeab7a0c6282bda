"""To whom a message or an invitation goes: the households that an import brought."""

from typing import Any

from django import forms

from families.messages.audiences import Keys, Part
from families.messages.own_parts import named, several
from families.models import Child, Custody, FileImport, Guardian, Household, ImportedRow
from portal.web.form_fields import field_of

RIGHTS = ("families.view_fileimport",)
LATEST = 20
# By which path each of these tables leads to a household.
WAYS: dict[str, tuple[type[Any], str]] = {
    Household._meta.label: (Household, "pk"),
    Guardian._meta.label: (Guardian, "household"),
    Custody._meta.label: (Custody, "household"),
    Child._meta.label: (Child, "custodies__household"),
}


class OfImports(Part):
    code = "imports"
    legend = "Venus d'un fichier"

    files = several(FileImport.objects.none(), "Import")

    def __init__(self, data: Any, **given: Any) -> None:
        super().__init__(data, **given)
        done = FileImport.objects.filter(state=FileImport.State.DONE).order_by("-done_at", "-pk")
        keys = list(done.values_list("pk", flat=True)[:LATEST])
        field_of(self, "files", forms.ModelMultipleChoiceField).queryset = done.filter(pk__in=keys)

    def homes(self) -> Keys:
        rows = ImportedRow.objects.filter(
            file__in=[file.pk for file in self.cleaned_data["files"]], created=True, model__in=WAYS
        )
        made: dict[str, set[int]] = {}
        for label, key in rows.values_list("model", "key"):
            made.setdefault(label, set()).add(key)
        found: set[int] = set()
        for label, keys in made.items():
            model, path = WAYS[label]
            found |= set(model._default_manager.filter(pk__in=keys).values_list(path, flat=True))
        return found - {None}

    def words(self) -> list[str]:
        return [named("import", list(self.cleaned_data["files"]))]
