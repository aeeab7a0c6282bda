"""A household's page at the desk, block by block: what answers a call, then a tab for each subject.

An app registers its blocks beside its own desk; this floor knows no days and no money. A block is read for
who has its rights, in one query or two whatever the number of children, and shown by its app's template.

    register("solde", Block("Solde", ("billing.view_payment",), "…/balance.html", read))
    register_column("classe", Column("Classe", ("reservations.view_schooling",), read))
    register_requests("jours", Requests(("reservations.view_reservation",), rows, say))
"""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, NamedTuple, TypeVar

from django.db.models import (
    CharField,
    DateField,
    DateTimeField,
    F,
    IntegerField,
    QuerySet,
    TextChoices,
    Value,
)
from django.db.models.functions import Cast

from families.models import Child, Guardian, Household
from portal.database.composed import Composed, Given
from portal.database.kept import once_a_page
from portal.desk import rights
from portal.desk.rights import Seen
from portal.web.signed_in import SignedInRequest

Read = TypeVar("Read")
PEOPLE = "families."


class Tab(TextChoices):
    """Where a block stands."""

    OVERVIEW = "", "Vue d'ensemble"
    DAYS = "jours", "Jours"
    ENROLMENTS = "inscriptions", "Inscriptions"
    MONEY = "argent", "Argent"
    PAPERS = "papiers", "Papiers"
    MESSAGES = "messages", "Messages"
    FILE = "dossier", "Dossier"
    HISTORY = "historique", "Historique"


@dataclass(frozen=True)
class Screen:
    """What a block is asked for: whose page, who looks, on which day; `children`: those who live there and
    whom this member of staff may see, eldest first."""

    request: SignedInRequest
    household: Household
    children: Sequence[Child]
    at: datetime
    today: date

    @property
    def user(self) -> Any:
        return self.request.user

    def read(
        self, query: Composed[Read], needed: tuple[str, ...], *shape: Hashable, **given: Any
    ) -> list[Read]:
        """The rows of this household that who looks may see: `query` composes them of `Given("home")`, with
        what is seen by the rights `needed` (`rights.read`)."""
        return rights.read(self.user, query, needed, *shape, home=self.household.pk, **given)

    def holds(self, *needed: str) -> bool:
        """Whether who looks has all these rights: on people, for this household. One that is held at some
        places says nothing of a household that is reached by another."""
        people = (one for one in needed if one.startswith(PEOPLE))
        return bool(self.user.has_perms(needed)) and all(
            _reaches(self.household, self.user, one) for one in people
        )

    def reached(self, right: str) -> Sequence[Child]:
        """Those of the children whom this right reaches. One query, none for who has the whole town."""
        rows = Child.objects.filter(pk__in=[child.pk for child in self.children])
        seen = rights.seen_by(self.user, rows, right)
        if seen is rows or not self.children:
            return self.children
        keys = set(seen.order_by().values_list("pk", flat=True))
        return [child for child in self.children if child.pk in keys]


@once_a_page
def adults(household: Household) -> Sequence[Guardian]:
    """With their logins; one query a page."""
    return _adults_of(home=household.pk)


@Composed
def _adults_of() -> "QuerySet[Guardian]":
    return Guardian.objects.filter(household=Given("home")).select_related("user").order_by("pk")


@once_a_page
def _reaches(household: Household, user: Any, right: str) -> bool:
    return rights.may(user, household, right)


# What the block's template is given; None where there is nothing to show.
Reads = Callable[[Screen], Mapping[str, Any] | None]


@dataclass(frozen=True)
class Block:
    """For who has all of `rights`. `size`: how many of the page's six columns it takes."""

    title: str
    rights: tuple[str, ...]
    template: str
    reads: Reads
    tab: Tab = Tab.OVERVIEW
    order: int = 50
    size: int = 6
    # Stands without a heading of its own: the block writes it.
    tint: Callable[[Mapping[str, Any]], str] = lambda told: ""


@dataclass(frozen=True)
class Column:
    """A cell on each child's line, by the child's key. `also`: what the query of the children reads besides,
    for that day."""

    label: str
    rights: tuple[str, ...]
    reads: Callable[[Screen], Mapping[int, Any]]
    order: int = 50
    also: Callable[[date], Mapping[str, Any]] = lambda today: {}


@dataclass(frozen=True)
class Asked:
    """Something that waits for the town hall's answer: of whom, what, since when, and where it is answered;
    `urgent`: where that is soon, for when."""

    who: str
    what: str
    since: datetime
    url: str
    urgent: str = ""


class Waiting(NamedTuple):
    """A row of what waits, as every source says it: whose, what, since when; of days how many and which."""

    code: str
    key: int
    who: str
    what: str
    since: datetime | None
    days: int | None
    first: date | None
    last: date | None
    late: int | None


def as_waiting(code: str, rows: QuerySet[Any, Any], **columns: Any) -> QuerySet[Any, Any]:
    """`rows` with the columns of `Waiting`, for the one query that reads all sources. `columns`: fields and
    expressions, by the names of `Waiting`; `key` and what is not given aside, each as it is called there."""
    # PostgreSQL takes two columns of nothing for texts, unless it is told what they would be.
    day = Cast(Value(None), DateField())
    number = Cast(Value(None), IntegerField())
    empty: dict[str, Any] = {
        "who": Value("", CharField()),
        "what": Value("", CharField()),
        "since": Cast(Value(None), DateTimeField()),
        "days": number,
        "first": day,
        "last": day,
        "late": number,
    }
    given = {"key": F("pk"), **empty} | {
        name: F(said) if isinstance(said, str) else said for name, said in columns.items()
    }
    told = rows.annotate(
        told_code=Value(code, CharField()), **{f"told_{name}": one for name, one in given.items()}
    )
    found: QuerySet[Any, Any] = told.values_list(
        "told_code", *(f"told_{name}" for name in Waiting._fields[1:])
    )
    return found


@dataclass(frozen=True)
class Requests:
    """What waits, of one kind. `rows`: of the household `Given("home")`, those that one may see, as
    `as_waiting` makes them. `say`: one of them in words."""

    rights: tuple[str, ...]
    rows: Callable[[Seen], QuerySet[Any, Any]]
    say: Callable[[Waiting, Screen], Asked]


@dataclass
class _Registered:
    blocks: dict[str, Block] = field(default_factory=dict)
    columns: dict[str, Column] = field(default_factory=dict)
    requests: dict[str, Requests] = field(default_factory=dict)


_known = _Registered()


def register(code: str, block: Block) -> None:
    """Adds a block; the same code again replaces it."""
    _known.blocks[code] = block


def register_column(code: str, column: Column) -> None:
    """Adds a column to the children's lines."""
    _known.columns[code] = column


def register_requests(code: str, requests: Requests) -> None:
    """Adds to what waits for an answer."""
    _known.requests[code] = requests


@dataclass(frozen=True)
class Shown:
    """A block that is shown, with what its template is told."""

    code: str
    block: Block
    told: Mapping[str, Any]

    @property
    def tint(self) -> str:
        return self.block.tint(self.told)


def _blocks(screen: Screen) -> list[tuple[str, Block]]:
    found = [(code, one) for code, one in _known.blocks.items() if screen.holds(*one.rights)]
    return sorted(found, key=lambda pair: pair[1].order)


def tabs(screen: Screen) -> list[Tab]:
    """Those on which there is something to read for this member of staff."""
    there = {block.tab for _, block in _blocks(screen)}
    return [tab for tab in Tab if tab in there]


def shown(screen: Screen, tab: Tab) -> list[Shown]:
    """The blocks of a tab, read."""
    read = [(code, block, block.reads(screen)) for code, block in _blocks(screen) if block.tab == tab]
    return [Shown(code, block, told) for code, block, told in read if told is not None]


def columns_of(user: Any) -> tuple[str, ...]:
    """The codes of the columns that `user` may read."""
    return tuple(code for code, one in _known.columns.items() if user.has_perms(one.rights))


def with_columns(children: QuerySet[Child], codes: Iterable[str], today: date) -> QuerySet[Child]:
    """These children, with what these columns want of the same query. Which children's is said, the column
    knows (`Screen.reached`)."""
    for code in codes:
        if also := _known.columns[code].also(today):
            children = children.annotate(**also)
    return children


def columns(screen: Screen) -> tuple[list[str], dict[int, list[Any]]]:
    """The labels of what is said of each child, and the cells by the child's key, in the same order."""
    known = sorted(_known.columns.values(), key=lambda one: one.order)
    mine = [one for one in known if screen.children and screen.holds(*one.rights)]
    read = [one.reads(screen) for one in mine]
    cells = {child.pk: [one.get(child.pk, "") for one in read] for child in screen.children}
    return [one.label for one in mine], cells


def asked(screen: Screen) -> list[Asked]:
    """All that waits for an answer, the oldest first; in one query."""
    mine = {code: one for code, one in _known.requests.items() if screen.holds(*one.rights)}
    if not mine:
        return []
    needed = tuple(right for one in mine.values() for right in one.rights)
    rows = map(Waiting._make, screen.read(_all_waiting, needed, tuple(mine)))
    found = [mine[row.code].say(row, screen) for row in rows]
    return sorted(found, key=lambda row: row.since)


@Composed
def _all_waiting(seen: Seen, codes: tuple[str, ...]) -> "QuerySet[Any, tuple[Any, ...]]":
    first, *others = (_known.requests[code].rows(seen).order_by() for code in codes)
    return first.union(*others, all=True) if others else first
