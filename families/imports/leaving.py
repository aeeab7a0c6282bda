"""What becomes of imports when people are erased: what was said of their rows goes with them."""

from datetime import datetime

from django.db.models import Q

from families.models import Guardian, ImportedRow, ImportLine, SourceNumber, User
from families.privacy import erasing
from families.privacy.holdings import Fate

HOLDINGS = {
    "families.SourceNumber": Fate.GONE,
    "families.FileImport": Fate.STAFF,
    "families.ImportLine": Fate.GONE,
    "families.ImportedRow": Fate.GONE,
    "families.ColumnMatch": Fate.STAFF,
}


def _numbers(leaving: erasing.Leaving) -> Q:
    return leaving.concerned


def _foresee(leaving: erasing.Leaving, at: datetime, found: erasing.Foreseen) -> None:
    numbers = SourceNumber.objects.filter(_numbers(leaving)).count()
    found.gone.append(erasing.Line(numbers, "numéros dans un autre logiciel"))


def _erase(leaving: erasing.Leaving, by: User | None, at: datetime) -> None:
    """The lines that made or changed them, and the numbers by which other programs know them."""
    home = leaving.household
    asked = Q(model="families.Child", key__in=[child.pk for child in leaving.children])
    if home is not None:
        adults = Guardian.objects.filter(household=home).values("pk")
        asked |= Q(model="families.Household", key=home.pk) | Q(model="families.Guardian", key__in=adults)
    rows = ImportedRow.objects.filter(asked)
    for file, line in set(rows.values_list("file", "line")):
        if line is None:
            continue
        ImportLine.objects.filter(file=file, line=line).delete()
        ImportedRow.objects.filter(file=file, line=line).delete()
    rows.delete()
    SourceNumber.objects.filter(_numbers(leaving)).delete()


PART = erasing.Part(_foresee, _erase, lambda: None)
