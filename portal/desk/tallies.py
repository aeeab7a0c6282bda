"""Many counts in one query: how many rows wait in each of several lists, and since when the oldest does."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, DateTimeField, IntegerField, Min, QuerySet, Value
from django.db.models.functions import Cast


@dataclass(frozen=True)
class Tally:
    """`oldest` (aware) is None where nothing waits, or where nothing says since when."""

    count: int = 0
    oldest: datetime | None = None


NOTHING = Tally()


def of(lists: Sequence[tuple[QuerySet[Any], str]]) -> list[Tally]:
    """Of each list of rows, with the field of when they began to wait; "" where none says so. One query."""
    asked = [
        _of_one(rank, rows, since) for rank, (rows, since) in enumerate(lists) if not rows.query.is_empty()
    ]
    found: dict[int, Tally] = {}
    if asked:
        first, *others = asked
        for rank, count, oldest in first.union(*others, all=True) if others else first:
            found[rank] = Tally(count, oldest)
    return [found.get(rank, NOTHING) for rank in range(len(lists))]


def _of_one(rank: int, rows: QuerySet[Any], since: str) -> QuerySet[Any, tuple[int, int, datetime | None]]:
    oldest: Any = Cast(Min(since), DateTimeField()) if since else Value(None, DateTimeField())
    # As keys: what a list computes of its rows, or sorts them by, counts nothing.
    plain = rows.model._base_manager.filter(pk__in=rows.order_by().values("pk"))
    found: QuerySet[Any, tuple[int, int, datetime | None]] = (
        plain.order_by()
        .annotate(rank=Value(rank, IntegerField()))
        .values("rank")
        .annotate(count=Count("pk"), oldest=oldest)
        .values_list("rank", "count", "oldest")
    )
    return found
