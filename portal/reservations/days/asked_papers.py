"""Which papers activities ask of whom, and when a school year ends for them: lent to `families.papers`
and `families.texts`."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from django.db.models import F, Q, QuerySet

from families.papers.asking import Need
from families.texts.standing import Need as TextNeed
from portal.database.composed import Composed, Given
from portal.reservations.models import (
    ActivityPaper,
    Enrolment,
    SchoolYear,
    demanding_papers,
    texts_of_activities,
)

# Where the next year is not written yet: the last day of a summer.
AUGUST = (8, 31)


def _lived(today: date) -> QuerySet[Enrolment]:
    """The enrolments of all households that live today and are not over."""
    return Enrolment.objects.live().filter(
        Q(ends_on=None) | Q(ends_on__gte=today), school_year__in=SchoolYear.objects.serving(today)
    )


def _asked_of(homes: Q, today: date) -> "QuerySet[Any, tuple[Any, ...]]":
    return (
        _lived(today)
        .filter(homes, activity__papers__kind__active=True)
        .order_by("activity__order", "activity__name", "pk")
        .values_list(
            "household", "child", "activity__papers__kind", "activity__name", "activity__papers__without"
        )
    )


def _enrolled(homes: Q, today: date) -> "QuerySet[Any, tuple[Any, ...]]":
    return (
        _lived(today)
        .filter(homes)
        .order_by("activity__order", "activity__name", "pk")
        .values_list("household", "child", "activity", "activity__name")
    )


@Composed
def _enrolled_of(today: date) -> "QuerySet[Any, tuple[Any, ...]]":
    return _enrolled(Q(household=Given("home")), today)


@Composed
def _of_home(today: date) -> "QuerySet[Any, tuple[Any, ...]]":
    return _asked_of(Q(household=Given("home")), today)


class PapersOfActivities:
    """What the engine says; what it does is `acts.asked_first.Asking`."""

    def needs(self, homes: Collection[int], today: date) -> Iterable[Need]:
        """One for each enrolment that is live and not over, and each paper of its activity."""
        if len(homes) == 1:
            (home,) = homes
            rows = _of_home(today, home=home)
        else:
            rows = list(_asked_of(Q(household__in=homes), today))
        return [
            Need(household, child, kind, activity, without in ActivityPaper.BEFORE_PLACE)
            for household, child, kind, activity, without in rows
        ]

    def needing(self, kinds: Collection[int], today: date) -> "QuerySet[Any]":
        """The rows of which `needs` tells, with the kind `wanted`."""
        rows = _lived(today).filter(activity__papers__kind__in=kinds, activity__papers__kind__active=True)
        return rows.annotate(wanted=F("activity__papers__kind"))

    def first(self) -> Mapping[int, Sequence[str]]:
        """By kind of paper, the activities that ask for it before an enrolment."""
        found: dict[int, list[str]] = defaultdict(list)
        for papers in demanding_papers().values():
            for paper in papers:
                if paper.before_enrolment:
                    found[paper.kind_id].append(paper.activity.name)
        return found

    def texts(self, homes: Collection[int], today: date) -> Iterable[TextNeed]:
        """One for each of their enrolments that is live and not over, and each text of its activity."""
        asked = texts_of_activities()
        if not asked:
            return []
        if len(homes) == 1:
            (home,) = homes
            rows = _enrolled_of(today, home=home)
        else:
            rows = list(_enrolled(Q(household__in=homes), today))
        return [
            TextNeed(home, child, text, name)
            for home, child, activity, name in rows
            for text in sorted(asked.get(activity, ()))
        ]

    def year_end(self, day: date) -> date | None:
        """The eve of the next year's first day. Once classes are over, what is given is the next year's."""
        years = list(SchoolYear.objects.order_by("starts_on").values_list("starts_on", "ends_on"))
        at = next((place for place, (_, ends) in enumerate(years) if ends >= day), None)
        if at is None:
            return None
        if at + 1 < len(years):
            return years[at + 1][0] - timedelta(days=1)
        ends = years[at][1]
        return max(ends, date(ends.year, *AUGUST))
