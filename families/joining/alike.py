"""Households that look like one family typed twice: the same child in both, and an adult or the address too.

A child alone is not enough: parents who live apart both type their child, and are two households.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

from django.db.models import Count, Prefetch, QuerySet

from families.models import Child, Custody, Household


@dataclass(frozen=True)
class Pair:
    """Two households (the older first), and the child that was typed in both."""

    older: Household
    newer: Household
    child: Child

    def other_of(self, household: Household) -> Household:
        return self.newer if household.pk == self.older.pk else self.older


def pairs() -> list[Pair]:
    """All pairs of the town, in three queries."""
    there = Child.objects.filter(joined_to=None, erased_at=None)
    repeated = there.order_by().values("folded", "birth_date").annotate(times=Count("pk")).filter(times__gt=1)
    names = {(row["folded"], row["birth_date"]) for row in repeated}
    if not names:
        return []
    homes = Household.objects.filter(joined_to=None, erased_at=None).exclude(state=Household.State.REFUSED)
    custodies = (
        Custody.objects.filter(child__folded__in={name for name, _ in names}, household__in=homes)
        .select_related("child")
        .prefetch_related(Prefetch("household", homes.prefetch_related("guardians")))
        .order_by("household_id", "child_id")
    )
    of: dict[object, list[Custody]] = defaultdict(list)
    for custody in custodies:
        key = custody.child.folded, custody.child.birth_date
        if key in names and custody.child.joined_to_id is None:
            of[key].append(custody)
    found: dict[tuple[int, int], Pair] = {}
    for doubles in of.values():
        for pair in _pairs_among(doubles):
            found.setdefault((pair.older.pk, pair.newer.pk), pair)
    return list(found.values())


def _pairs_among(doubles: list[Custody]) -> Iterator[Pair]:
    for one, other in combinations(doubles, 2):
        if one.child_id == other.child_id or one.household_id == other.household_id:
            continue
        if _alike(one.household, other.household):
            yield Pair(one.household, other.household, other.child)


def _alike(one: Household, other: Household) -> bool:
    adults = [{adult.folded for adult in home.guardians.all()} for home in (one, other)]
    return bool(adults[0] & adults[1]) or (one.folded, one.postcode) == (other.folded, other.postcode)


def of_household(household: Household) -> list[Household]:
    """The households that look like this one."""
    return [pair.other_of(household) for pair in pairs() if household.pk in (pair.older.pk, pair.newer.pk)]


def households() -> QuerySet[Household]:
    """Those of which there may be two: the newer of each pair."""
    return Household.objects.filter(pk__in={pair.newer.pk for pair in pairs()})
