"""Where a household stands with the texts that are asked of it.

Which activities ask for which texts, the floor that knows them lends here. A town without any text is asked
nothing more of its database.

    of_home(household, today) -> [Line]            once a page
    answered(versions, homes) -> {key: TextAnswer}   of many households, in one query
    asked_again(homes, today) -> [Again]             who accepted a version that another one has replaced
"""

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date
from enum import Enum
from typing import NamedTuple, Protocol

from django.db.models import QuerySet

from families.custody import homes
from families.models import (
    AskedText,
    Child,
    Custody,
    Household,
    TextAnswer,
    TextVersion,
    asked_texts,
    in_force,
)
from portal.database.composed import Composed, Given
from portal.database.kept import once_a_page


class Need(NamedTuple):
    """That an activity asks a household for a text (keys); `child` (a key) is who is enrolled in it."""

    household: int
    child: int
    text: int
    activity: str


class Activities(Protocol):
    """What the floor that knows activities says."""

    def texts(self, homes: Collection[int], today: date) -> Iterable[Need]:
        """For the enrolments of these households (keys) that live today; in one query, or none."""
        ...


class NoActivities:
    def texts(self, homes: Collection[int], today: date) -> Iterable[Need]:
        return ()


_activities: Activities = NoActivities()


def lend(activities: Activities) -> None:
    """For the floor that knows activities, once it is ready."""
    global _activities
    _activities = activities


class Status(Enum):
    """What a family reads of a text: the icon of its badge, and its words."""

    MISSING = "due", "À lire"
    AGAIN = "due", "Nouvelle version à lire"
    YES = "accepted", "Accepté"
    NO = "refused", "Vous avez dit non"

    @property
    def icon(self) -> str:
        return self.value[0]

    @property
    def words(self) -> str:
        return self.value[1]


# Household, child (None: for itself), version; all keys.
Key = tuple[int, int | None, int]


@dataclass(frozen=True)
class Line:
    """A text that is asked of a household, for itself or for one of its children. `answer` is its latest one
    to the version in force, `before` whether it answered an earlier one."""

    version: TextVersion
    child: Child | None
    asked_by: tuple[str, ...]
    answer: TextAnswer | None
    before: bool

    @property
    def text(self) -> AskedText:
        return self.version.text

    @property
    def status(self) -> Status:
        if self.answer is None:
            return Status.AGAIN if self.before else Status.MISSING
        return Status.YES if self.answer.accepted else Status.NO

    @property
    def is_to_do(self) -> bool:
        return self.answer is None

    @property
    def way_on(self) -> str:
        if self.is_to_do:
            return "Lire et répondre" if self.text.is_free else "Lire et accepter"
        return "Relire ou changer d'avis" if self.text.is_free else "Relire"

    @property
    def whose(self) -> str:
        return self.child.first_name if self.child else "votre foyer"


@once_a_page
def of_home(household: Household, today: date) -> list[Line]:
    """What is asked of a household, its own first, then of each child."""
    versions = in_force(today)
    if not versions:
        return []
    living = homes.children(household, today)
    keys = {child.pk for child in living}
    asked: dict[tuple[int, int | None], list[str]] = defaultdict(list)
    for version in versions.values():
        text = version.text
        if text.everywhere and living:
            for child in living if text.is_childs else [None]:
                asked[text.pk, child.pk if child else None] = []
    for need in _activities.texts([household.pk], today):
        if need.text not in versions or need.child not in keys:
            continue
        names = asked[need.text, need.child if versions[need.text].text.is_childs else None]
        if need.activity not in names:
            names.append(need.activity)
    rows = _answers(household=household.pk)
    latest = {(row.child_id, row.version_id): row for row in rows}
    known = {(row.child_id, row.version.text_id) for row in rows}
    lines = []
    for child in (None, *living):
        key = child.pk if child else None
        for version in versions.values():
            text = version.text
            given = latest.get((key, version.pk))
            if text.is_childs == (child is not None) and ((text.pk, key) in asked or given is not None):
                of = tuple(asked.get((text.pk, key), ()))
                lines.append(Line(version, child, of, given, (key, text.pk) in known))
    return lines


@Composed
def _answers() -> "QuerySet[TextAnswer]":
    return (
        TextAnswer.objects.filter(household=Given("household"))
        .select_related("version")
        .defer("version__body")
        .order_by("pk")
    )


def answered(versions: Collection[int], households: Collection[int]) -> dict[Key, bool]:
    """What these households (keys) answered last to these versions (keys)."""
    rows = TextAnswer.objects.filter(version__in=versions, household__in=households).order_by("pk")
    return {
        (home, child, version): accepted
        for home, child, version, accepted in rows.values_list("household", "child", "version", "accepted")
    }


class Again(NamedTuple):
    """That a household (its key) accepted a text that reads otherwise by now, and is to accept it again: for
    itself, or for a child that lives there."""

    household: int
    version: TextVersion
    child: Child | None


def asked_again(keys: Collection[int], today: date) -> list[Again]:
    """Of these households (keys), in three queries for any number of them; in none where no version of a text
    that has to be accepted has replaced another."""
    replaced = {
        text.pk
        for text, versions in asked_texts()
        if not text.is_free and sum(one.starts_on <= today for one in versions) > 1
    }
    if not replaced or not keys:
        return []
    versions = in_force(today)
    rows = TextAnswer.objects.filter(version__text__in=replaced, household__in=keys, accepted=True)
    given: dict[tuple[int, int | None, int], set[int]] = defaultdict(set)
    for home, child, text, version in rows.order_by("pk").values_list(
        "household", "child", "version__text", "version"
    ):
        given[home, child, text].add(version)
    open_ = [key for key, accepted in given.items() if versions[key[2]].pk not in accepted]
    if not open_:
        return []
    homes_ = {home for home, _, _ in open_}
    living: dict[int, dict[int, Child]] = defaultdict(dict)
    for custody in Custody.objects.on(today).filter(household__in=homes_).select_related("child"):
        living[custody.household_id][custody.child_id] = custody.child
    needs = {(one.household, one.text, one.child) for one in _activities.texts(homes_, today)}
    found = []
    for home, about, text in open_:
        its = versions[text]
        concerned = [about] if about is not None else list(living[home])
        asked = its.text.everywhere or any((home, text, one) in needs for one in concerned)
        if asked and any(one in living[home] for one in concerned):
            found.append(Again(home, its, None if about is None else living[home][about]))
    return found
