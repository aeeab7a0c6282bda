"""Which of the town's own audiences households are of, and what opens to them: read here, decided by
`deadlines/publics.py`. Where the town made no audience, nothing is read.

of_home(household, day, child=…) -> (3, 1)       keys, the one that counts first first; read once a page
Known.load(households).of(household, day, child)   the same of many, in three queries at most
opening(period, resident=…, publics=…)           when a period opens to whom
"""

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, NamedTuple

from django.db.models import QuerySet

from families import addresses, residences
from families.addresses import Lived
from families.models import Custody, FormerAddress, Household
from portal.database.composed import Composed, GivenMany
from portal.database.kept import once_a_page
from portal.reservations.deadlines.publics import Kind, Life, Public, Publics, Span, held
from portal.reservations.deadlines.rules import Rule, Windows, first_said
from portal.reservations.models import AudienceMember, Period
from portal.reservations.models.campaigns import publics as own_publics

AUGUST = 8


@dataclass(frozen=True)
class Opening:
    """A moment (None: it always was open), and to whom, where an audience of the town decides it."""

    at: datetime | None
    whom: str = ""


def opening(period: Period, *, resident: bool, publics: Collection[int] = ()) -> Opening:
    """When a period opens to a family: the moment of the first of its `publics` that has one, or else that of
    « commune » or « hors commune »."""
    if publics:
        known = own_publics()
        moments = known.openings.get(period.pk, {})
        one = first_said(tuple(publics), moments)
        if one is not None:
            return Opening(moments[one], known.of(one).said)
    return Opening(period.opens_for(resident=resident))


def window_words(rule: Rule, day: date, publics: Collection[int]) -> str:
    """The audience, in the words for who is of it, whose windows of a rule count on a day; "": none's."""
    if not isinstance(rule, Windows):
        return ""
    one = first_said(
        tuple(publics), {window.public for window in rule.windows if window.first <= day <= window.last}
    )
    return "" if one is None else own_publics().of(one).said


def of_home(household: Household, day: date, child: int | None = None) -> tuple[int, ...]:
    """Those (their keys) of a household on a day, in the town's order. By the school of `child` (its key), or
    without one by that of any of its children."""
    return _known(household).of(household.pk, day, child) if own_publics() else ()


def of_homes(households: Iterable[Household]) -> "Known":
    """The same of many, whose rows are there."""
    rows = {one.pk: one for one in households}
    return Known.load(rows.values()) if own_publics() and rows else Known(Publics())


def words_of(household: Household, day: date) -> list[str]:
    """What a household is of, by its names, as the desk reads it."""
    return [own_publics().of(key).label for key in of_home(household, day)]


@once_a_page
def _known(household: Household) -> "Known":
    return Known.of_home(household, own_publics())


class _Told(NamedTuple):
    """What is written of some households, whichever audiences there are."""

    former: list[FormerAddress] | None = None
    recognised: list[AudienceMember] | None = None
    schools: list[tuple[Any, ...]] | None = None


def _read(households: Collection[int], kinds: Collection[Kind]) -> _Told:
    """A query a way of belonging."""
    return _Told(
        _former(homes=households) if Kind.ADDRESS in kinds else None,
        _recognised(homes=households) if Kind.RECOGNISED in kinds else None,
        _schools(homes=households) if Kind.SCHOOL in kinds else None,
    )


@once_a_page
def _told_of(household: Household, kinds: frozenset[Kind]) -> _Told:
    return _read([household.pk], kinds)


@Composed
def _former() -> QuerySet[FormerAddress]:
    return FormerAddress.objects.filter(household__pk__among=GivenMany("homes"))


@Composed
def _recognised() -> QuerySet[AudienceMember]:
    return AudienceMember.objects.filter(household__pk__among=GivenMany("homes"))


@Composed
def _schools() -> QuerySet[Custody, tuple[Any, ...]]:
    return (
        Custody.objects.filter(household__pk__among=GivenMany("homes"))
        .order_by("pk")
        .values_list(
            "household", "child", "since", "until", "child__schoolings__school_class__school",
            "child__schoolings__starts_on", "child__schoolings__ends_on",
            "child__schoolings__school_year__starts_on", "child__schoolings__school_year__ends_on",
        )
    )  # fmt: skip


class Known:
    """What is asked of some households to say of which audiences they are, whatever the day."""

    def __init__(self, publics: Publics) -> None:
        self.publics = publics
        self._lived: dict[int, tuple[Lived, ...]] = {}
        self._recognised: dict[int, list[Span]] = defaultdict(list)
        # child -> the schools that it attends; household -> its children, from when to when.
        self._schools: dict[int, list[Span]] = defaultdict(list)
        self._children: dict[int, dict[int, tuple[date | None, date | None]]] = defaultdict(dict)
        self._lives: dict[tuple[int, int | None], Life] = {}

    @classmethod
    def load(
        cls, households: Iterable[Household], *, publics: Publics | None = None, when_told: bool = False
    ) -> "Known":
        """A query a way of belonging that the town uses. `when_told`: a move told late counts from when it
        was told."""
        known = cls(own_publics() if publics is None else publics)
        homes = {one.pk: one for one in households}
        if homes:
            known._take_in(homes, _read(list(homes), known.publics.kinds), when_told=when_told)
        return known

    @classmethod
    def of_home(cls, household: Household, publics: Publics, *, when_told: bool = False) -> "Known":
        """The same of a page's household, of which it reads once what is written."""
        known = cls(publics)
        told = _told_of(household, publics.kinds)
        known._take_in({household.pk: household}, told, when_told=when_told)
        return known

    def _take_in(self, homes: dict[int, Household], told: _Told, *, when_told: bool) -> None:
        if told.former is not None:
            former: dict[int, list[FormerAddress]] = defaultdict(list)
            for row in told.former:
                former[row.household_id].append(row)
            for pk, home in homes.items():
                self._lived[pk] = residences.addresses(home, former[pk], when_told=when_told)
        for member in told.recognised or ():
            span = Span(member.audience_id, member.starts_on, member.ends_on)
            self._recognised[member.household_id].append(span)
        if told.schools is not None:
            self._attend(told.schools)

    def _attend(self, rows: Iterable[tuple[Any, ...]]) -> None:
        seen: set[tuple[int, Span]] = set()
        for home, child, since, until, school, starts, ends, year_starts, year_ends in rows:
            self._children[home][child] = since, until
            if school is None:
                continue
            # The summer belongs to the year before it.
            summer = max(year_ends, date(year_ends.year, AUGUST, 31))
            span = Span(school, starts or year_starts, ends or summer)
            if (child, span) not in seen:
                seen.add((child, span))
                self._schools[child].append(span)

    def of(self, household: int, day: date, child: int | None = None) -> tuple[int, ...]:
        """Those (their keys) of a household on a day, in the town's order."""
        if not self.publics:
            return ()
        return held(self.publics.rows, self._life(household, day, child), day)

    def _life(self, household: int, day: date, child: int | None) -> Life:
        if child is None:
            there = [
                one
                for one, (since, until) in self._children.get(household, {}).items()
                if (since is None or since <= day) and (until is None or day < until)
            ]
            return self._made(household, [span for one in there for span in self._schools.get(one, ())])
        key = household, child
        if key not in self._lives:
            self._lives[key] = self._made(household, self._schools.get(child, []))
        return self._lives[key]

    def _made(self, household: int, schools: Iterable[Span]) -> Life:
        nowhere = (Lived(addresses.Address("", "", ""), None),)
        return Life(
            self._lived.get(household, nowhere),
            tuple(schools),
            tuple(self._recognised.get(household, ())),
        )


def count_of(public: Public, households: Iterable[Household], day: date) -> int:
    """How many of these households would be of an audience, saved or not."""
    rows = list(households)
    known = Known.load(rows, publics=Publics((public,)))
    return sum(bool(known.of(one.pk, day)) for one in rows)
