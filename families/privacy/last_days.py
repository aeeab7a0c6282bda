"""Since when a child no longer comes: apps above know its days, and lend them here.

register(here)       `here(since)`: children (ids) known to come on or after that day
gone(before)         children who were not seen since, and whom nobody has just entered
"""

from collections.abc import Callable
from datetime import date, datetime
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone

from families.models import Child, ChildHealth, Custody

Ids = QuerySet[Any, Any]
_here: list[Callable[[date], Ids]] = []


def register(here: Callable[[date], Ids]) -> None:
    """For an app above, once it is ready."""
    if here not in _here:
        _here.append(here)


def gone(before: datetime) -> QuerySet[Child]:
    rows = Child.objects.exclude(
        pk__in=Custody.objects.filter(household__created_at__gte=before).values("child_id")
    ).exclude(pk__in=ChildHealth.objects.filter(updated_at__gte=before).values("child_id"))
    for here in _here:
        rows = rows.exclude(pk__in=here(timezone.localtime(before).date()))
    return rows
