"""What the portal knows of a guardian, told by each app that knows something: tables to read, files to keep.

    register("Factures", tables=…, files=…)     for an app, once it is ready

Only what this guardian may see is told: the own household, the children who live in it today, and of other
adults no more than their name. Each table is read as it is written, so that a long life costs no memory.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from django.utils import timezone

from families.models import Child, Guardian, Household, User

Cell = str | int | bool | date | Decimal | None


@dataclass(frozen=True)
class Subject:
    """Whose data is told: a guardian, their household, and the children they may see today."""

    guardian: Guardian
    household: Household
    children: tuple[Child, ...]
    with_notes: bool = False
    # Told to the town hall, of all adults of the household, with the name of who acted.
    at_desk: bool = False

    @property
    def user(self) -> User | None:
        return self.guardian.user

    @property
    def scope(self) -> str:
        """Who is in it, by number: « 12: 3 4 »."""
        return f"{self.household.pk}: {' '.join(str(child.pk) for child in self.children)}"[:300]


class Table(NamedTuple):
    """A table to read; its rows are read once."""

    title: str
    columns: tuple[str, ...]
    rows: Iterable[tuple[Cell, ...]]


class KeptFile(NamedTuple):
    """A file to take away: where it lies in the archive, and its content, piece by piece.

    `pieces` raises OSError, or `Lost` with a French sentence, where it is gone.
    """

    path: str
    pieces: Callable[[], Iterator[bytes]]


class Lost(Exception):
    """A file is no longer in the store as it was; `str()` says so in French."""


class Known(NamedTuple):
    """What an app tells of a subject."""

    tables: Callable[[Subject], Iterator[Table]]
    files: Callable[[Subject], Iterable[KeptFile]]


def no_files(subject: Subject) -> Iterable[KeptFile]:
    return ()


_known: dict[str, Known] = {}


def register(
    name: str,
    *,
    tables: Callable[[Subject], Iterator[Table]],
    files: Callable[[Subject], Iterable[KeptFile]] = no_files,
) -> None:
    """Adds what an app knows, after those already there; the same name again replaces it."""
    _known[name] = Known(tables, files)


def all_known() -> list[Known]:
    return list(_known.values())


def subject_of(guardian: Guardian, *, with_notes: bool = False) -> Subject:
    """A guardian as they are today."""
    children = Child.objects.living_in(guardian.household, timezone.localdate())
    return Subject(guardian, guardian.household, tuple(children.order_by("pk")), with_notes)
