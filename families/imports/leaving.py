"""What becomes of imports when people are erased: what was said of their rows goes with them."""

from collections.abc import Sequence
from datetime import datetime

from django.db.models import Q

from families.models import Guardian, ImportedRow, ImportLine, SourceNumber, User
from families.privacy import erasing
from families.privacy.holdings import Fate
from portal.french.spelling import folded

A_BITE = 500
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
    """The lines that made or changed them, those that only name them (wrong, left aside, of a file that
    nobody imported), and the numbers by which other programs know them."""
    home = leaving.household
    asked = Q(model="families.Child", key__in=[child.pk for child in leaving.children])
    named = [f"{child.first_name} {child.last_name}" for child in leaving.children]
    if home is not None:
        adults = list(Guardian.objects.filter(household=home))
        named += [f"{adult.first_name} {adult.last_name}" for adult in adults]
        asked |= Q(model="families.Household", key=home.pk)
        asked |= Q(model="families.Guardian", key__in=[adult.pk for adult in adults])
    rows = ImportedRow.objects.filter(asked)
    for file, line in set(rows.values_list("file", "line")):
        if line is None:
            continue
        ImportLine.objects.filter(file=file, line=line).delete()
        ImportedRow.objects.filter(file=file, line=line).delete()
    rows.delete()
    _forget_names(named)
    SourceNumber.objects.filter(_numbers(leaving)).delete()


def _forget_names(named: Sequence[str]) -> None:
    """Of whoever else bears the same name a remark is lost, and nothing more."""
    wanted = [frozenset(folded(name).split()) for name in named]
    lines = ImportLine.objects.order_by().values_list("pk", "who", "value", "text")
    gone = []
    for key, *texts in lines.iterator(chunk_size=A_BITE):
        words = frozenset(folded(" ".join(texts)).split())
        if any(name <= words for name in wanted):
            gone.append(key)
    for start in range(0, len(gone), A_BITE):
        ImportLine.objects.filter(pk__in=gone[start : start + A_BITE]).delete()


PART = erasing.Part(_foresee, _erase, lambda: None)
