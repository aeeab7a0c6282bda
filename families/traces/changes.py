"""What a child's file says of its own changes: when, and from which side, as its parents may know it.

Never who by name: of the other home a file shows its adults' names, and nothing more is to be learnt here.
"""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from families.models import AuthorisedPerson, Child, ChildHealth, Guardian, User
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


def of(
    child: Child, *, reader: User, own_home: int, adults: Collection[Guardian], at: datetime
) -> FileChanges:
    """What `reader`, a guardian in `own_home`, is told; `adults` are those of the child's homes. Two queries,
    one more where somebody wrote who is none of these any more."""
    found = FileChanges()
    people = list(
        AuthorisedPerson.history.filter(child_id=child.pk)
        .exclude(history_change_reason=KNOWN_BEFORE)
        .select_related("history_user")
        .order_by("history_date", "history_id")
    )
    health = ChildHealth.history.filter(child_id=child.pk).select_related("history_user").first()
    versions = people if health is None else [*people, health]
    homes = {adult.household_id for adult in adults}
    of_author: dict[int, set[int]] = defaultdict(set)
    for adult in adults:
        of_author[adult.user_id or 0].add(adult.household_id)
    authors = {version.history_user for version in versions} - {None, reader}
    if gone := [one.pk for one in authors if one.pk not in of_author and not one.is_staff]:
        for user, home in Guardian.objects.filter(user__in=gone).values_list("user_id", "household_id"):
            of_author[user or 0].add(home)

    def change(version: Any) -> Change:
        author = version.history_user
        theirs = of_author.get(author.pk, set()) if author is not None else set()
        side = _side(author, theirs, reader, own_home, homes)
        return Change(WORDS[version.history_type], version.history_date, side)

    for version in people:
        if version.history_type != "-":
            # Who was added, and the last change since.
            found.people[version.id] = [*found.people.get(version.id, [])[:1], change(version)]
        elif version.history_date > at - REMOVED_SHOWN:
            found.removed.insert(0, (version.name, change(version)))
    if health is not None and health.history_change_reason != KNOWN_BEFORE:
        found.health = change(health)
    return found


def _side(
    author: User | None, theirs: Collection[int], reader: User, own_home: int, homes: Collection[int]
) -> str:
    """`theirs` are the households (keys) of which the author is an adult."""
    if author is None:
        return ""
    if author == reader:
        return "par vous"
    if own_home in theirs:
        return "par votre foyer"
    if author.is_staff and not set(theirs) & set(homes):
        return "par la mairie"
    return "par l'autre foyer" if theirs else ""
