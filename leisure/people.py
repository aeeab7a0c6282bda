"""What becomes of families' situations when households are joined, erased, or told what is kept of them."""

from collections.abc import Iterator
from datetime import datetime

from django.db.models import Q

from families.joining.fates import Joins
from families.models import User
from families.privacy import histories
from families.privacy.erasing import Foreseen, Leaving, Line, Part
from families.privacy.holdings import Fate
from families.privacy.telling import Subject, Table
from leisure.models import PriorityFact

HOLDINGS = {"leisure.PriorityFact": Fate.GONE}
KEYS = {
    "leisure.PriorityFact.household": Joins.MOVES,
    "leisure.PriorityFact.child": Joins.MOVES,
}


def _foresee(leaving: Leaving, at: datetime, found: Foreseen) -> None:
    count = PriorityFact.objects.filter(leaving.concerned).count()
    found.gone.append(Line(count, "situations prioritaires"))


def _erase(leaving: Leaving, by: User | None, at: datetime) -> None:
    rows = PriorityFact.objects.filter(leaving.concerned)
    keys = list(rows.values_list("pk", flat=True))
    rows.delete()
    histories.forget(PriorityFact, keys)


def _tidy() -> None:
    """Nothing is left."""


PART = Part(_foresee, _erase, _tidy)


def tables(subject: Subject) -> Iterator[Table]:
    """Of the household, and of children who live in it today."""
    own = Q(household=subject.household, child=None)
    rows = PriorityFact.objects.filter(own | Q(child__in=[one.pk for one in subject.children]))
    yield Table(
        "Situations prioritaires",
        ("Situation", "Depuis le", "Jusqu'au", "Justifiée", "Notée le"),
        (
            (one.get_kind_display(), one.since, one.until, one.proved, one.noted_at)
            for one in rows.order_by("since", "pk")
        ),
    )
