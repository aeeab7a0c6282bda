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

from families import addresses, residences
from families.addresses import Lived
from families.models import Custody, FormerAddress, Household
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
    return Known.load([household])


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
        if not homes:
            return known
        if known.publics.asks(Kind.ADDRESS):
            former: dict[int, list[FormerAddress]] = defaultdict(list)
            for row in FormerAddress.objects.filter(household__in=homes):
                former[row.household_id].append(row)
            for pk, home in homes.items():
                known._lived[pk] = residences.addresses(home, former[pk], when_told=when_told)
        if known.publics.asks(Kind.RECOGNISED):
            for member in AudienceMember.objects.filter(household__in=homes):
                span = Span(member.audience_id, member.starts_on, member.ends_on)
                known._recognised[member.household_id].append(span)
        if known.publics.asks(Kind.SCHOOL):
            known._read_schools(homes)
        return known

    def _read_schools(self, homes: Collection[int]) -> None:
        seen: set[tuple[int, Span]] = set()
        for home, child, since, until, school, starts, ends, year_starts, year_ends in (
            Custody.objects.filter(household__in=homes)
            .order_by("pk")
            .values_list(
                "household", "child", "since", "until", "child__schoolings__school_class__school",
                "child__schoolings__starts_on", "child__schoolings__ends_on",
                "child__schoolings__school_year__starts_on", "child__schoolings__school_year__ends_on",
            )
        ):  # fmt: skip
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
