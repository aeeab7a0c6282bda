"""What happened, in one order, out of sources that apps register once they are ready.

A source knows rows with a moment, and how to say some of them. A page of all of them is one query for the
order, and one or two more for each source that is on it, whatever its rows. Only what the guardian may see is
told, as in a copy of their data: the own household, its children of today; of other adults their name.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import CharField, F, Q, QuerySet, TextChoices, Value

from families.models import Guardian, Household, User
from families.privacy.telling import Subject
from portal.database.kept import once_a_page

Rows = QuerySet[Any, Any]


class Group(TextChoices):
    """What one may look for."""

    RESERVATIONS = "reservations", "Réservations et absences"
    ENROLMENTS = "inscriptions", "Inscriptions"
    FILE = "dossier", "Informations et demandes"
    MONEY = "factures", "Factures et règlements"
    LETTERS = "messages", "Messages"


@dataclass(frozen=True)
class Entry:
    """One thing that was done: what, by whom (« vous », « la mairie », empty where nobody did it), and where
    more of it is to be read."""

    what: str
    by: str = ""
    detail: str = ""
    path: str = ""


@dataclass(frozen=True)
class Source:
    """`rows`: those of a subject, of one child where one is asked for; None where none is about one child.
    `say`: some of them, by `key`. `moment` and `key` are fields or annotations of the rows.
    """

    code: str
    group: Group
    rows: Callable[[Subject, int | None], Rows | None]
    say: Callable[[Subject, Collection[int]], Mapping[int, Entry]]
    moment: str
    key: str = "pk"


_sources: dict[str, Source] = {}


def register(source: Source) -> None:
    """Adds a source; the same code again replaces it."""
    _sources[source.code] = source


@dataclass(frozen=True)
class Happened:
    """An entry with its moment."""

    at: datetime
    entry: Entry


def order(
    subject: Subject, *, group: str = "", child: int | None = None, within: Collection[str] = Group.values
) -> Rows | None:
    """(moment, code of the source, key) of all that happened, newest first, of these groups; None where
    nothing is known."""
    asked = [one for one in _sources.values() if group in ("", one.group) and one.group in within]
    parts = []
    for source in asked:
        rows = source.rows(subject, child)
        if rows is not None:
            told = rows.order_by().annotate(
                happened_at=F(source.moment),
                source_code=Value(source.code, CharField()),
                row_key=F(source.key),
            )
            parts.append(told.values_list("happened_at", "source_code", "row_key"))
    if not parts:
        return None
    first, *others = parts
    together = first.union(*others, all=True) if others else first
    ordered: Rows = together.order_by("-happened_at", "source_code", "-row_key")
    return ordered


def said(subject: Subject, rows: Sequence[tuple[datetime, str, int]]) -> list[Happened]:
    """The entries of these rows, in their order; what is gone meanwhile is left out."""
    keys: dict[str, list[int]] = {}
    for _, code, key in rows:
        keys.setdefault(code, []).append(key)
    entries = {code: _sources[code].say(subject, of_source) for code, of_source in keys.items()}
    return [Happened(at, entries[code][key]) for at, code, key in rows if key in entries[code]]


def by(author: User | None, subject: Subject) -> str:
    """Who acted, as this guardian may know it."""
    if author is None:
        return ""
    if subject.at_desk:
        return author.get_full_name() or author.get_username()
    if author == subject.user:
        return "vous"
    here, elsewhere = _adults(subject.household)
    if author.pk in here:
        return here[author.pk]
    if author.is_staff:
        return "la mairie"
    return "l'autre foyer" if author.pk in elsewhere else ""


@once_a_page
def _adults(household: Household) -> tuple[dict[int, str], set[int]]:
    """The first names of the household's adults by their login, and the logins of the adults of every home
    that has, or had, a child in common with it."""
    shares = Q(household__custodies__child__custodies__household=household)
    rows = Guardian.objects.filter(Q(household=household) | shares, user__isnull=False).distinct()
    here: dict[int, str] = {}
    elsewhere: set[int] = set()
    for user, home, name in rows.order_by().values_list("user_id", "household_id", "first_name"):
        if home == household.pk:
            here[user] = name
        else:
            elsewhere.add(user)
    return here, elsewhere


def by_town(author: User | None, subject: Subject) -> str:
    """Who decided: where no name is kept, it was the town hall all the same."""
    return by(author, subject) or "la mairie"
