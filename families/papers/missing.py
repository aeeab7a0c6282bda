"""Who has not given what is asked, for the desk: over all households that it sees.

The database says of which households, children and kinds something is to be given; what a page shows of them
is worked out of its own households only.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Collection, Sequence
from datetime import date, timedelta
from itertools import accumulate
from typing import Any, NamedTuple, overload

from django.db.models import Exists, F, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce

from families.models import Custody, Household, Paper, paper_kinds
from families.papers import asking
from families.papers.asking import Line

State = Paper.State


class Gap(NamedTuple):
    """That something is to be given: keys, without a child of what is the household's."""

    household: int
    child: int | None
    kind: int


def gaps(
    homes: QuerySet[Household], children: QuerySet[Any], kinds: Collection[int], today: date
) -> set[Gap]:
    """Of these households and children, what is to be given of these kinds (keys). As `Line.is_to_do` says,
    in the database's words; in four queries whatever the households."""
    known = {key: kind for key, kind in paper_kinds().items() if key in kinds}
    if not known:
        return set()
    whose = {"household__in": homes.order_by().values("pk")}
    here = Custody.objects.on(today).filter(child=OuterRef("child"), household=OuterRef("household"))
    needs = asking.needing(known, today).filter(Exists(here), **whose)
    asked = Paper.objects.filter(asked_on__isnull=False, kind__in=known)
    by_hand = Custody.objects.on(today).filter(child__papers__in=asked, **whose)
    rows: list[tuple[QuerySet[Any], str | None]] = [
        (needs.filter(wanted__in=[key for key, kind in known.items() if kind.is_childs]), "child"),
        (needs.filter(wanted__in=[key for key, kind in known.items() if not kind.is_childs]), None),
        (by_hand.annotate(wanted=F("child__papers__kind")), "child"),
        (asked.filter(child=None, **whose).annotate(wanted=F("kind")), None),
    ]
    found: set[Gap] = set()
    for number, (lines, child) in enumerate(rows):
        if child:
            lines = lines.filter(child__in=children.order_by().values("pk"))
        open_ones = _to_do(lines, child, today)
        if number > 1:  # nothing but the latest paper says that it is asked for
            open_ones = open_ones.filter(last_asked__isnull=False)
        keys = open_ones.order_by().values_list("household", "wanted", *([child] if child else [])).distinct()
        found.update(Gap(home, of_child[0] if of_child else None, kind) for home, kind, *of_child in keys)
    return found


def _to_do(rows: QuerySet[Any], child: str | None, today: date) -> QuerySet[Any]:
    """Of rows with a household, a child and the kind `wanted`: where what was given does not do. As
    `asking.Line` tells it of its `last` paper and the `good` one."""
    own = Q(household=OuterRef("household"))
    papers = Paper.objects.filter(kind=OuterRef("wanted")).order_by("-pk")
    if child:
        papers = papers.filter(own | Q(private=False), child=OuterRef(child))
    else:
        papers = papers.filter(own, child=None)
    last = papers.filter(own | ~Q(state=State.REFUSED))
    good = papers.filter(Q(ends_on=None) | Q(ends_on__gte=today), state=State.ACCEPTED)
    soon = Q(pk__in=())
    for key, kind in paper_kinds().items():
        soon |= Q(wanted=key, good_until__lte=today + timedelta(days=kind.remind_days))
    found: QuerySet[Any] = (
        rows.annotate(
            last_state=Coalesce(Subquery(last.values("state")[:1]), Value("")),
            last_asked=Subquery(last.values("asked_on")[:1]),
            good_until=Subquery(good.values("ends_on")[:1]),
        )
        .exclude(last_state=State.SENT)
        .filter(soon | Q(last_state=State.REFUSED) | ~Exists(good))
    )
    return found


class Lines(Sequence[Line]):
    """What is to be given, by household and in the order of its papers; only what is looked at is read."""

    def __init__(self, gaps: set[Gap], today: date) -> None:
        self._gaps, self._today = gaps, today
        counts = Counter(gap.household for gap in gaps)
        self._homes = sorted(counts)
        # By household, how many lines there are up to it.
        self._ends = list(accumulate(counts[home] for home in self._homes))

    def __len__(self) -> int:
        return len(self._gaps)

    @overload
    def __getitem__(self, wanted: int) -> Line: ...

    @overload
    def __getitem__(self, wanted: slice) -> list[Line]: ...

    def __getitem__(self, wanted: int | slice) -> Line | list[Line]:
        if not isinstance(wanted, slice):
            return self[wanted : wanted + 1][0]
        first, last, _ = wanted.indices(len(self))
        if first >= last:
            return []
        at = bisect_right(self._ends, first)
        homes = self._homes[at : bisect_right(self._ends, last - 1) + 1]
        read = asking.read(homes, self._today)
        lines = [line for home in homes for line in read[home] if self._gap(line) in self._gaps]
        before = self._ends[at - 1] if at else 0
        return lines[first - before : last - before]

    @staticmethod
    def _gap(line: Line) -> Gap:
        return Gap(line.household, line.child.pk if line.child else None, line.kind.pk)


def lines(homes: QuerySet[Household], children: QuerySet[Any], kinds: Collection[int], today: date) -> Lines:
    """Of these households and children, what is to be given of these kinds (keys), by household."""
    return Lines(gaps(homes, children, kinds, today), today)
