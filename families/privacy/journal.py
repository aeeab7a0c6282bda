"""After a restore, the erased are back: the journal in the store, or a copy of it, erases them again.

entries(store=…) -> [Entry]      what the journal says
again(entry, at=…) -> Outcome    erases who still bears the number, if it is still the same
"""

import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import NamedTuple

from django.core.files.storage import Storage

from families.models import Child, Erasure, Household
from families.privacy import erasing


class Entry(NamedTuple):
    kind: str
    subject: int
    mark: str


class Outcome(Enum):
    ERASED = "effacé de nouveau"
    ABSENT = "n'est pas revenu"
    OTHER = "le numéro est aujourd'hui à quelqu'un d'autre"
    REFUSED = "retenu : la régie doit d'abord solder le compte"


def entries(store: Storage) -> Iterator[Entry]:
    """Those of the store, year by year."""
    if not store.exists(erasing.JOURNAL) and not _listed(store, erasing.JOURNAL)[0]:
        return
    for year in sorted(_listed(store, erasing.JOURNAL)[0]):
        folder = f"{erasing.JOURNAL}/{year}"
        for name in sorted(_listed(store, folder)[1]):
            with store.open(f"{folder}/{name}") as file:
                yield _entry(file.read())


def _listed(store: Storage, folder: str) -> tuple[list[str], list[str]]:
    try:
        return store.listdir(folder)
    except FileNotFoundError:
        return [], []


def entries_of(folder: Path) -> Iterable[Entry]:
    """Those of a copy of the journal's folder."""
    return [_entry(path.read_bytes()) for path in sorted(folder.rglob("*.json"))]


def _entry(content: bytes | str) -> Entry:
    said = json.loads(content)
    return Entry(said["kind"], int(said["subject"]), said["mark"])


def again(entry: Entry, *, at: datetime, dry_run: bool = False) -> Outcome:
    if entry.kind == Erasure.Kind.HOUSEHOLD:
        home = Household.objects.filter(pk=entry.subject, erased_at=None).first()
        if home is None:
            return Outcome.ABSENT
        if erasing.mark_of_household(home) != entry.mark:
            return Outcome.OTHER
        leaving = erasing.household_leaving(home)
    else:
        child = Child.objects.filter(pk=entry.subject, erased_at=None).first()
        if child is None:
            return Outcome.ABSENT
        if erasing.mark_of_child(child) != entry.mark:
            return Outcome.OTHER
        leaving = erasing.child_leaving(child)
    if dry_run:
        return Outcome.REFUSED if erasing.foresee(leaving, at=at).obstacles else Outcome.ERASED
    try:
        erasing.erase(leaving, why=Erasure.Why.AGAIN, by=None, at=at)
    except erasing.ErasureRefused:
        return Outcome.REFUSED
    return Outcome.ERASED
