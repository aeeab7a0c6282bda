"""What a child's file says of its own changes: when, and from which side, as its parents may know it.

Never who by name: of the other home a file shows its adults' names, and nothing more is to be learnt here.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from families.models import AuthorisedPerson, Child, ChildHealth, User
from portal.database.history import KNOWN_BEFORE

# As long as a reader may wonder who vanished from the list.
REMOVED_SHOWN = timedelta(days=365)
WORDS = {"+": "Ajout", "~": "Modification", "-": "Retrait"}


@dataclass(frozen=True)
class Change:
    """« Ajout le 3 novembre 2026 par l'autre foyer »; `by` is empty where nobody knows."""

    what: str
    at: datetime
    by: str


@dataclass
class FileChanges:
    """The changes of a child's file: of each who may collect it by key, of those removed by name."""

    people: dict[int, list[Change]] = field(default_factory=dict)
    removed: list[tuple[str, Change]] = field(default_factory=list)
    health: Change | None = None


def of(child: Child, *, reader: User, own_home: int, homes: Collection[int], at: datetime) -> FileChanges:
    """What `reader`, a guardian in `own_home`, is told; `homes` are the child's (keys). Two queries."""
    found = FileChanges()
    authors = "history_user__guardian"

    def change(version: Any) -> Change:
        side = _side(version.history_user, reader, own_home, homes)
        return Change(WORDS[version.history_type], version.history_date, side)

    people = AuthorisedPerson.history.filter(child_id=child.pk).exclude(history_change_reason=KNOWN_BEFORE)
    for version in people.select_related(authors).order_by("history_date", "history_id"):
        if version.history_type != "-":
            # Who was added, and the last change since.
            found.people[version.id] = [*found.people.get(version.id, [])[:1], change(version)]
        elif version.history_date > at - REMOVED_SHOWN:
            found.removed.insert(0, (version.name, change(version)))
    health = ChildHealth.history.filter(child_id=child.pk).select_related(authors).first()
    if health is not None and health.history_change_reason != KNOWN_BEFORE:
        found.health = change(health)
    return found


def _side(author: User | None, reader: User, own_home: int, homes: Collection[int]) -> str:
    if author is None:
        return ""
    if author == reader:
        return "par vous"
    guardian = getattr(author, "guardian", None)
    if guardian is not None and guardian.household_id == own_home:
        return "par votre foyer"
    if author.is_staff and (guardian is None or guardian.household_id not in homes):
        return "par la mairie"
    return "par l'autre foyer" if guardian is not None else ""
