"""What may stand in a file, and who makes something of it: columns and parts, registered by their apps."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django import forms
from django.apps import apps
from django.db.models import Model

from families.models import FileImport, ImportedRow
from portal.desk import rights
from portal.french.plurals import counted

if TYPE_CHECKING:
    from families.imports.records import Record, Run

# A decision that every doubt knows: the row is left out.
SKIP = "skip"
SKIP_LABEL = "Laisser la ligne de côté"


@dataclass(frozen=True)
class Column:
    """Something that a file may say. `title` heads it in our own files; `names`: what others call it, without
    case, accents, plurals and small words."""

    key: str
    title: str
    names: tuple[str, ...] = ()
    rule: str = ""
    example: str = ""


@dataclass(frozen=True)
class Doubt:
    """Something that somebody has to decide, row by row or for all: its choices beside `SKIP`."""

    code: str
    label: str
    choices: tuple[tuple[str, str], ...] = ()

    @property
    def all_choices(self) -> tuple[tuple[str, str], ...]:
        return (*self.choices, (SKIP, SKIP_LABEL))


class Part:
    """What an app makes of some columns."""

    code: str
    label: str
    order: int
    columns: Sequence[Column] = ()
    doubts: Sequence[Doubt] = ()
    # Who lacks one of these rights (for the whole town) imports without this part.
    rights: Sequence[str] = ()
    # Asked once for a file, beside its columns; cleaned values are `run.options[code]`.
    options: type[forms.Form] | None = None

    def plan(self, run: "Run", lot: "Sequence[Record]") -> None:
        """Says in each record what would become of it. Only reads."""
        raise NotImplementedError

    def write(self, run: "Run", lot: "Sequence[Record]") -> None:
        """Writes what was planned, in bulk, within the caller's transaction."""
        raise NotImplementedError

    def finish(self, run: "Run") -> None:
        """After the last lot was written, within the transaction."""

    def stands(self, made: "Sequence[ImportedRow]") -> list[str]:
        """Sentences of what stands on rows that this part made, or has changed them since."""
        return [*_changed_since(made)]

    def take_back(self, made: "Sequence[ImportedRow]") -> None:
        """Deletes what was made, newest first, and puts back what was changed. In the undoing transaction."""
        for label, rows in _by_model(made, created=True):
            model = apps.get_model(label)
            model._base_manager.filter(pk__in=[one.key for one in rows]).delete()
        for label, rows in _by_model(made, created=False):
            _put_back(apps.get_model(label), rows)


# What a floor above has done since with rows that an import made: the file and its rows, in sentences.
Looks = Callable[[FileImport, "Sequence[ImportedRow]"], list[str]]
_parts: dict[str, Part] = {}
_looks: list[Looks] = []


def register(part: Part) -> None:
    """For an app, once it is ready; the same code again replaces the part."""
    _parts[part.code] = part


def look_before_undoing(looks: Looks) -> None:
    """For an app whose rows rest on what parts of others made."""
    if looks not in _looks:
        _looks.append(looks)


def seen_since(file: FileImport, made: "Sequence[ImportedRow]") -> list[str]:
    """What those floors say stands on it."""
    return [sentence for looks in _looks for sentence in looks(file, made)]


def parts() -> list[Part]:
    return sorted(_parts.values(), key=lambda one: one.order)


def columns() -> list[Column]:
    """All there are, in the order of the parts."""
    return [column for part in parts() for column in part.columns]


def doubts() -> dict[str, Doubt]:
    """By code."""
    return {doubt.code: doubt for part in parts() for doubt in part.doubts}


def allowed(user: Any) -> list[Part]:
    """Those that `user` may import with: a right that reaches one school alone is none for a file."""
    partly = rights.held_in_part_by(user)
    return [part for part in parts() if user.has_perms(part.rights) and partly.isdisjoint(part.rights)]


# Undoing ------------------------------------------------------------------------------------------------


def _by_model(made: "Iterable[ImportedRow]", *, created: bool) -> "list[tuple[str, list[ImportedRow]]]":
    """The last written model first."""
    found: dict[str, list[ImportedRow]] = defaultdict(list)
    for row in made:
        if row.created == created:
            found[row.model].append(row)
    return list(found.items())[::-1]


def _changed_since(made: "Sequence[ImportedRow]") -> Iterable[str]:
    """A value that is no longer what the import wrote was written by somebody since."""
    for label, rows in _by_model(made, created=False):
        model = apps.get_model(label)
        standing = model._base_manager.in_bulk([one.key for one in rows])
        others = sum(
            any(_plain(standing[row.key], name) != value for name, value in row.after.items())
            for row in rows
            if row.key in standing
        )
        if others:
            name, names = str(model._meta.verbose_name), str(model._meta.verbose_name_plural)
            yield f"{counted(others, name, names)} : des valeurs ont changé depuis l'import"


def _plain(row: Any, name: str) -> Any:
    """A column's value as JSON keeps it."""
    return plain(getattr(row, row._meta.get_field(name).attname))


def plain(value: Any) -> Any:
    """A value as JSON keeps it."""
    return value if value is None or isinstance(value, bool | int) else str(value)


def _put_back(model: type[Model], rows: "Sequence[ImportedRow]") -> None:
    standing = model._base_manager.in_bulk([one.key for one in rows])
    # The newest first: of a row changed twice, what stood before the first change comes back last.
    for row in sorted(rows, key=lambda one: -one.pk):
        found = standing.get(row.key)
        if found is None:
            continue
        for name, value in row.before.items():
            column: Any = model._meta.get_field(name)
            setattr(found, column.attname, column.to_python(value))
    for found in standing.values():
        found.save()
