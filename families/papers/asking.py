"""Where a household stands with the papers that are asked of it.

Which activities ask for which papers, and when a school year ends, the floor that knows them lends here. A
town without any kind of paper is asked nothing more of its database.

    of_home(household, today) -> [Line]       once a page, in two queries beside its children's
    read(keys, today) -> {key: [Line]}        of many households, in three
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import Enum
from typing import Any, NamedTuple, Protocol

from django.db.models import Q, QuerySet, Value

from families.custody import homes
from families.models import Child, Custody, Household, Paper, PaperKind, household_number, paper_kinds
from portal.database.composed import Composed, Given, numbered, one_of
from portal.database.kept import once_a_page

State = Paper.State


class Need(NamedTuple):
    """That an activity asks a household for a kind of paper; `child` (a key) is who is enrolled in it.
    `holds`: no day is booked without it."""

    household: int
    child: int
    kind: int
    activity: str
    holds: bool = False


class Activities(Protocol):
    """What the floor that knows activities says."""

    def needs(self, homes: Collection[int], today: date) -> Iterable[Need]:
        """Of these households (keys), for the enrolments that live today; in one query."""
        ...

    def needing(self, kinds: Collection[int], today: date) -> QuerySet[Any]:
        """The same of all households, of these kinds (keys): rows with a `household`, a `child` and the kind
        `wanted`."""
        ...

    def first(self) -> Mapping[int, Sequence[str]]:
        """By kind (its key), the activities whose enrolment waits for such a paper; as a rule in no query."""
        ...

    def year_end(self, day: date) -> date | None:
        """The last day served by the school year in which a paper is given on `day`; None without years."""
        ...

    def accepted(self, household: int, child: int | None, kind: int) -> None:
        """A paper of that kind (keys) is good from now on: what was kept from them for want of it is not any
        more. Within the transaction that accepts it."""
        ...


class NoActivities:
    """Where nobody knows any."""

    def needs(self, homes: Collection[int], today: date) -> Iterable[Need]:
        return ()

    def needing(self, kinds: Collection[int], today: date) -> QuerySet[Any]:
        return Custody.objects.none().annotate(wanted=Value(0))

    def first(self) -> Mapping[int, Sequence[str]]:
        return {}

    def year_end(self, day: date) -> date | None:
        return None

    def accepted(self, household: int, child: int | None, kind: int) -> None:
        return None


_activities: Activities = NoActivities()


def lend(activities: Activities) -> None:
    """For the floor that knows activities, once it is ready."""
    global _activities
    _activities = activities


def year_end(day: date) -> date | None:
    return _activities.year_end(day)


def needing(kinds: Collection[int], today: date) -> QuerySet[Any]:
    """Rows of all households to which an activity asks one of these kinds (keys)."""
    return _activities.needing(kinds, today)


def told_accepted(household: int, child: int | None, kind: int) -> None:
    """For who accepts a paper (keys): activities may have waited for it."""
    _activities.accepted(household, child, kind)


# Where one paper stands ---------------------------------------------------------------------------------


class Status(Enum):
    """What a family reads of a paper: the icon of its badge, and its words."""

    MISSING = "due", "À envoyer"
    TO_SHOW = "due", "À montrer au guichet"
    REFUSED = "refused", "Refusé"
    EXPIRED = "overdue", "Périmé"
    WAITS = "pending", "En attente de la mairie"
    ENDS_SOON = "due", "Finit bientôt"
    GOOD = "accepted", "Accepté"

    @property
    def icon(self) -> str:
        return self.value[0]

    @property
    def words(self) -> str:
        return self.value[1]


# What the family has something to do about.
TO_DO = (Status.MISSING, Status.TO_SHOW, Status.REFUSED, Status.EXPIRED, Status.ENDS_SOON)


@dataclass(frozen=True)
class Line:
    """A kind of paper, of a child or of the household, as this household sees it on a day.

    `last` is the latest row of it, `good` the accepted one that still is. Both may be the other home's.
    `held_by`: activities in which no day is booked without it. `before`: those whose enrolment waits for it,
    asked for or not.
    """

    kind: PaperKind
    household: int
    child: Child | None
    asked_by: tuple[str, ...]
    last: Paper | None
    good: Paper | None
    today: date
    held_by: tuple[str, ...] = ()
    before: tuple[str, ...] = ()

    @property
    def is_asked(self) -> bool:
        """By an activity; or by the town hall, of this family."""
        return bool(self.asked_by) or (self.last is not None and self.last.asked_on is not None)

    @property
    def is_known(self) -> bool:
        """Whether « Mes papiers » tells of it: it is asked for, or something of it is there."""
        return self.is_asked or self.good is not None or self.status in (Status.WAITS, Status.REFUSED)

    @property
    def is_own(self) -> bool:
        """Whether the latest row is this household's."""
        return self.last is not None and self.last.household_id == self.household

    @property
    def status(self) -> Status:
        last = self.last
        if last is not None and last.state == State.SENT:
            return Status.WAITS
        if last is not None and last.state == State.REFUSED and self.is_own:
            return Status.REFUSED
        if self.good is not None:
            return Status.ENDS_SOON if self.ends_soon else Status.GOOD
        if last is not None and last.state_on(self.today) == State.EXPIRED:
            return Status.EXPIRED
        return Status.MISSING if self.kind.comes_online else Status.TO_SHOW

    @property
    def ends_soon(self) -> bool:
        """Whether the next one is asked for already."""
        if self.good is None or self.good.ends_on is None or not self.is_asked:
            return False
        return self.good.ends_on - self.today <= timedelta(days=self.kind.remind_days)

    @property
    def is_to_do(self) -> bool:
        return self.status in TO_DO and self.is_asked

    @property
    def may_send(self) -> bool:
        """Whether the family may send one now, or another file instead of its own that waits."""
        if not self.kind.comes_online:
            return False
        if self.is_to_do or (self.status is Status.WAITS and self.is_own):
            return True
        if self.status is Status.GOOD:
            # Days after its end wait for the next one, however far away that is.
            return bool(self.held_by) and self.good is not None and self.good.ends_on is not None
        return bool(self.before) and self.status in TO_DO

    @property
    def given_on(self) -> date:
        """The day from which the next one is good: after the one that still is."""
        if self.good is not None and self.good.ends_on is not None:
            return self.good.ends_on + timedelta(days=1)
        return self.today

    @property
    def number(self) -> str:
        """The household's, « 000123 »."""
        return household_number(self.household)

    @property
    def own_file(self) -> int | None:
        """The file (its key) that this household may open: of what counts, or waits, or was refused."""
        shown = self.last if self.status in (Status.WAITS, Status.REFUSED) else self.good
        return shown.document_id if shown is not None and shown.household_id == self.household else None

    @property
    def way_on(self) -> str:
        if self.status is Status.WAITS:
            return "Remplacer le fichier"
        if self.status is Status.REFUSED:
            return "Renvoyer le papier"
        return "Envoyer le papier" if self.status is Status.MISSING else "Envoyer le suivant"

    @property
    def whose(self) -> str:
        return self.child.first_name if self.child else "votre foyer"


def of(lines: Sequence[Line], kind: int, child: int | None) -> Line | None:
    """The line of a kind (key) and a child (key; None: the household)."""
    return next(
        (one for one in lines if one.kind.pk == kind and (one.child.pk if one.child else None) == child), None
    )


def to_give(household: Household, kind: int, child: int | None, today: date) -> Line | None:
    """The line of a kind (key) and a child (key; None: the household), also of what is asked only before an
    enrolment that nobody asked for yet."""
    if not paper_kinds():
        return None
    line = of(read_all([household.pk], today)[household.pk], kind, child)
    return line if line is not None and (line.is_known or line.before) else None


@once_a_page
def of_home(household: Household, today: date) -> list[Line]:
    """What is asked of a household and what it gave, in the order of its children, its own papers first."""
    if not paper_kinds():
        return []
    living = {child.pk: child for child in homes.children(household, today)}
    return _read({household.pk: living}, today)[household.pk]


def of_children(household: Household, children: Iterable[Child], today: date) -> list[Line]:
    """The same with these of its children, whom the caller has read."""
    if not paper_kinds():
        return []
    return _read({household.pk: {child.pk: child for child in children}}, today)[household.pk]


def read(keys: Collection[int], today: date) -> dict[int, list[Line]]:
    """The same of many households (keys); nothing is asked where the town knows no paper."""
    if not paper_kinds() or not keys:
        return {home: [] for home in keys}
    return _read(_children(keys, today), today)


def read_all(keys: Collection[int], today: date) -> dict[int, list[Line]]:
    """As `read`, with a line of each kind and child, whether or not anybody asks for it."""
    if not paper_kinds() or not keys:
        return {home: [] for home in keys}
    return _read(_children(keys, today), today, everything=True)


def _read(
    living: Mapping[int, dict[int, Child]], today: date, *, everything: bool = False
) -> dict[int, list[Line]]:
    """Of households with the children that live there."""
    kinds = paper_kinds()
    asked: dict[int, dict[tuple[int, int | None], list[Need]]] = defaultdict(lambda: defaultdict(list))
    for need in _activities.needs(living.keys(), today):
        kind = kinds.get(need.kind)
        if kind is None or not kind.active or need.child not in living[need.household]:
            continue
        asked[need.household][need.kind, need.child if kind.is_childs else None].append(need)
    rows, first = _papers(living), _activities.first()
    return {
        home: [
            line
            for line in _lines(home, living[home], asked[home], rows, kinds, first, today)
            if everything or line.is_known
        ]
        for home in living
    }


def _children(keys: Collection[int], today: date) -> Mapping[int, dict[int, Child]]:
    """By household, the children that live there today, eldest first."""
    found: dict[int, dict[int, Child]] = {home: {} for home in keys}
    custodies = Custody.objects.on(today).filter(household__in=keys).select_related("child")
    for custody in custodies.order_by("child__birth_date", "child_id"):
        found[custody.household_id][custody.child_id] = custody.child
    return found


def _papers(living: Mapping[int, dict[int, Child]]) -> list[Paper]:
    """All that these households gave, and what was given of their children; the latest first."""
    children = {child for those in living.values() for child in those}
    if len(living) == 1:
        (home,) = living
        return _given_by(len(children), home=home, **numbered("child", sorted(children)))
    own = Paper.objects.filter(household__in=living.keys(), child=None)
    of_children = Paper.objects.filter(child__in=children)
    return list((own | of_children).order_by("-pk"))


@Composed
def _given_by(children: int) -> "QuerySet[Paper]":
    whose = Q(household=Given("home"), child=None)
    if children:
        whose |= one_of("child", "child", children)
    return Paper.objects.filter(whose).order_by("-pk")


def _lines(
    home: int,
    children: Mapping[int, Child],
    asked: Mapping[tuple[int, int | None], list[Need]],
    rows: Sequence[Paper],
    kinds: Mapping[int, PaperKind],
    first: Mapping[int, Sequence[str]],
    today: date,
) -> Iterator[Line]:
    """Of each child and each kind, whether asked for or not."""
    papers: dict[tuple[int, int | None], list[Paper]] = defaultdict(list)
    for row in rows:
        mine = row.household_id == home
        if mine if row.child_id is None else row.child_id in children and (mine or not row.private):
            papers[row.kind_id, row.child_id].append(row)
    for child in (None, *children):
        for kind in kinds.values():
            known = papers.get((kind.pk, child), [])
            needs = asked.get((kind.pk, child), [])
            yield Line(
                kind,
                home,
                None if child is None else children[child],
                tuple(dict.fromkeys(need.activity for need in needs)),
                _last(known, home),
                next((row for row in known if row.state_on(today) == State.ACCEPTED), None),
                today,
                tuple(dict.fromkeys(need.activity for need in needs if need.holds)),
                tuple(first.get(kind.pk, ())) if kind.is_childs == (child is not None) else (),
            )


def _last(known: Sequence[Paper], home: int) -> Paper | None:
    """The latest row; what the other home was refused is its own matter."""
    return next((row for row in known if row.household_id == home or row.state != State.REFUSED), None)
