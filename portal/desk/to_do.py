"""« À traiter »: all that waits for an answer, of every kind, in one order. Floors above lend the kinds.

A kind says which rows wait, since when, and what of one is to be known before answering. The answer itself is
the model's own action: this queue adds none, and decides nothing.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, Protocol

from django import forms
from django.contrib import admin
from django.contrib.admin.utils import display_for_field, display_for_value, label_for_field, lookup_field
from django.db.models import (
    Case,
    CharField,
    DateTimeField,
    F,
    IntegerField,
    Model,
    Q,
    QuerySet,
    Value,
    When,
)
from django.db.models.functions import Cast
from django.http import HttpRequest
from django.utils import timezone

from portal.desk import first_page, held, own_choices, rights, tallies
from portal.desk.decisions import AcceptOrRefuse
from portal.models import HeldDecision
from portal.web.posted import posted_number

# The pile beside the item: the first of them, as many as stand on a screen.
SHOWN = 25
A_WEEK = timedelta(days=7)


@dataclass(frozen=True)
class Section:
    """Facts under a title, each with its name; `note` closes it."""

    title: str
    facts: Sequence[tuple[str, Any]]
    note: str = ""


@dataclass(frozen=True)
class Part:
    """A part of a request that can be answered alone: ticked unless the agent takes it out."""

    pk: int
    label: str
    places: Any
    late: bool = False


@dataclass
class Sheet:
    """What is to be known of one request before it is answered."""

    sections: list[Section] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)
    # What an acceptance has to say besides, where the page of the model would ask for it.
    asks: forms.Form | None = None


@dataclass(frozen=True)
class Kind:
    """Requests of one kind.

    `rows` are those that wait; `since` the field of when they came; `is_late` says which are late besides
    those older than `late_after`, `urgent` why. `title` and `about` are expressions: who asks, and what.
    `facts` are names of fields or columns of the model's page; `sheet` adds what those do not say. Parts are
    rows of `parts_of` that name the request by `part_of`; the actions of that model's page answer them.
    """

    key: str
    label: str
    model: type[Model]
    order: int
    rows: Callable[[], QuerySet[Any]]
    since: str
    title: Any
    about: Any
    facts: tuple[str, ...] = ()
    # Which of them somebody may open at all, besides the rights that reach them.
    opened_by: Callable[[Any], Q] | None = None
    late_after: timedelta = A_WEEK
    is_late: Callable[[datetime], Q] | None = None
    urgent: str = ""
    sheet: Callable[[HttpRequest, Any], Sheet] | None = None
    parts_of: type[Model] | None = None
    part_of: str = ""
    # Answered by words, on the page of the row: the queue leads there.
    in_words: bool = False

    @property
    def page(self) -> AcceptOrRefuse[Any]:
        """The page of the desk whose actions answer."""
        found = admin.site._registry[self.parts_of or self.model]
        assert isinstance(found, AcceptOrRefuse)  # noqa: S101 a kind of a model that nobody answers is an error
        return found

    @property
    def right(self) -> str:
        if self.in_words:
            return own_choices.changing(self.model)
        return self.page.right_for("change")

    def late(self, at: datetime) -> Q:
        old = Q(**{f"{self.since}__lt": at - self.late_after})
        return old | self.is_late(at) if self.is_late else old


class Places(Protocol):
    """What the floor that knows places says."""

    def choices(self, user: Any) -> Sequence[tuple[int, str]]:
        """Those of which somebody may see rows, by name."""
        ...

    def within(self, rows: QuerySet[Any], place: int) -> QuerySet[Any]:
        """Those of `rows` that belong to a place."""
        ...


_kinds: dict[str, Kind] = {}
_places: list[Places] = []


def register(kind: Kind) -> None:
    """For an app, beside its own desk."""
    _kinds[kind.key] = kind
    first_page.goes_one_by_one(held.name_of(kind.model))


def lend(places: Places) -> None:
    """For the floor that knows places."""
    _places[:] = [places]


def places() -> Places:
    return _places[0]


def kinds_of(user: Any) -> list[Kind]:
    """Those that somebody may answer, in the order of the menu."""
    return sorted((one for one in _kinds.values() if user.has_perm(one.right)), key=lambda one: one.order)


class Age(Enum):
    """Which of them, by how long they wait; the value stands in addresses."""

    ALL = ""
    LATE = "retard"
    WEEK = "semaine"
    TODAY = "jour"

    @property
    def label(self) -> str:
        return _AGES[self]


_AGES = {
    Age.ALL: "Toutes, les plus urgentes d'abord",
    Age.LATE: "En retard",
    Age.WEEK: "Depuis plus d'une semaine",
    Age.TODAY: "Reçues aujourd'hui",
}


@dataclass(frozen=True)
class Asked:
    """What the queue is narrowed to: a kind's key, a place, an age."""

    kind: str = ""
    place: int | None = None
    age: Age = Age.ALL


@dataclass(frozen=True)
class Item:
    """A line of the pile."""

    key: str
    title: str
    about: str
    since: datetime
    late: bool
    # In words, where it is late though it came lately.
    urgent: str


@dataclass(frozen=True)
class Pile:
    """What waits for an answer: the first lines, and how many there are of each kind."""

    items: list[Item]
    counts: list[tuple[Kind, int]]
    count: int
    late: int
    # Of other lists, how many rows each has.
    beside: list[int]


def kind_about(about: str) -> Kind | None:
    """That whose requests are rows of a model, as a held decision names it."""
    return next((one for one in _kinds.values() if held.name_of(one.model) == about), None)


def waiting(user: Any, kind: Kind, asked: Asked, at: datetime) -> QuerySet[Any]:
    """The rows of a kind that `user` may answer and about which nobody has decided, of a place and an age."""
    rows = held.without(rights.seen_by(user, kind.rows(), *_rights(kind)))
    if kind.opened_by is not None:
        rows = rows.filter(kind.opened_by(user))
    if asked.place is not None:
        rows = places().within(rows, asked.place)
    match asked.age:
        case Age.LATE:
            rows = rows.filter(kind.late(at))
        case Age.WEEK:
            rows = rows.filter(**{f"{kind.since}__lt": at - A_WEEK})
        case Age.TODAY:
            rows = rows.filter(**{f"{kind.since}__date": timezone.localdate(at)})
    return rows


def _rights(kind: Kind) -> tuple[str, ...]:
    page = admin.site._registry[kind.model]
    return (page.right_for("change"),) if hasattr(page, "right_for") else (kind.right,)


def pile(user: Any, asked: Asked, at: datetime, beside: Sequence[QuerySet[Any]] = ()) -> Pile:
    """What waits, the late first, then the oldest, and the counts of other lists; two queries, whatever the
    number of kinds and rows."""
    known = kinds_of(user)
    rows = [waiting(user, kind, asked, at) for kind in known]
    late = [one.filter(kind.late(at)) for kind, one in zip(known, rows, strict=True)]
    counted = tallies.of([(one, "") for one in (*rows, *late, *beside)])
    counts = [(kind, tally.count) for kind, tally in zip(known, counted, strict=False)]
    shown = [not asked.kind or kind.key == asked.kind for kind in known]
    lines = [
        _lines(kind, one, at)
        for kind, one, is_shown in zip(known, rows, shown, strict=True)
        if is_shown and not one.query.is_empty()
    ]
    others = [tally.count for tally in counted[2 * len(known) :]]
    both = zip(counted[: len(known)], counted[len(known) : 2 * len(known)], shown, strict=True)
    chosen = [(tally.count, of_late.count) for tally, of_late, is_shown in both if is_shown]
    return Pile(
        _items(lines, at), counts, sum(one for one, _ in chosen), sum(one for _, one in chosen), others
    )


def _lines(kind: Kind, rows: QuerySet[Any], at: datetime) -> QuerySet[Any, Any]:
    found: QuerySet[Any, Any] = (
        rows.order_by()
        .annotate(
            to_do_kind=Value(kind.key),
            to_do_late=Case(When(kind.late(at), then=0), default=1, output_field=IntegerField()),
            to_do_since=Cast(F(kind.since), DateTimeField()),
            to_do_title=Cast(kind.title, CharField()),
            to_do_about=Cast(kind.about, CharField()),
        )
        .values_list("to_do_late", "to_do_since", "to_do_kind", "pk", "to_do_title", "to_do_about")
    )
    return found


def _items(lines: list[QuerySet[Any, Any]], at: datetime) -> list[Item]:
    if not lines:
        return []
    first, *others = lines
    together = first.union(*others, all=True) if others else first
    found = together.order_by("to_do_late", "to_do_since", "to_do_kind", "pk")[:SHOWN]
    return [
        Item(f"{key}-{pk}", title or "", about or "", since, not on_time, _urgent(_kinds[key], since, at))
        for on_time, since, key, pk, title, about in found
    ]


def titles(decisions: Sequence[HeldDecision]) -> dict[int, str]:
    """By decision (key), who had asked: « Noé Petit, inscriptions ». One query."""
    lists: list[QuerySet[Any, Any]] = []
    for kind in _kinds.values():
        about = held.name_of(kind.model)
        if keys := [one.row for one in decisions if one.about == about]:
            rows = kind.model._base_manager.filter(pk__in=keys).order_by()
            named = rows.annotate(to_do_about=Value(about), to_do_title=Cast(kind.title, CharField()))
            lists.append(named.values_list("to_do_about", "pk", "to_do_title"))
    if not lists:
        return {}
    first, *others = lists
    found = {(about, pk): title for about, pk, title in (first.union(*others, all=True) if others else first)}
    return {one.pk: found.get((one.about, one.row)) or "" for one in decisions}


def _urgent(kind: Kind, since: datetime, at: datetime) -> str:
    return kind.urgent if at - since <= kind.late_after else ""


def find(user: Any, key: str) -> tuple[Kind, int] | None:
    """The kind and the row that « inscription-12 » names, of those that `user` may answer."""
    name, _, number = key.rpartition("-")
    kind = next((one for one in kinds_of(user) if one.key == name), None)
    pk = posted_number(number)
    return None if kind is None or pk is None else (kind, pk)


def facts_of(page: Any, row: Model, names: Sequence[str]) -> list[tuple[str, Any]]:
    """Fields and columns of a row as its own page says them, each with its label, but for empty ones."""
    told = []
    for name in names:
        field_, _, value = lookup_field(name, row, page)
        empty = page.get_empty_value_display()
        shown = display_for_value(value, empty) if field_ is None else display_for_field(value, field_, empty)
        if shown not in ("", "–", empty):
            told.append((str(label_for_field(name, page.model, page)).capitalize(), shown))
    return told
