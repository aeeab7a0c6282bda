"""Since when a child no longer comes: apps above know its days, and lend them here.

register(here)       `here(since)`: children (ids) known to come on or after that day
register_homes(here) the same of households (ids), for who comes without a child
gone(before)         children who were not seen since, and whom nobody has just entered
homes_here(since)    what holds for households, as a Q, that come otherwise than by a child
"""

from collections.abc import Callable
from datetime import date, datetime
from typing import Any

from django.db.models import Q, QuerySet
from django.utils import timezone

from families.models import Child, ChildHealth, Custody

Ids = QuerySet[Any, Any]
_here: list[Callable[[date], Ids]] = []
_homes_here: list[Callable[[date], Ids]] = []


def register(here: Callable[[date], Ids]) -> None:
    """For an app above, once it is ready."""
    if here not in _here:
        _here.append(here)


def register_homes(here: Callable[[date], Ids]) -> None:
    """For an app above, once it is ready."""
    if here not in _homes_here:
        _homes_here.append(here)


def homes_here(since: date) -> Q:
    return (
        Q(*(Q(pk__in=here(since)) for here in _homes_here), _connector=Q.OR) if _homes_here else Q(pk__in=())
    )


def gone(before: datetime) -> QuerySet[Child]:
    rows = Child.objects.exclude(
        pk__in=Custody.objects.filter(household__created_at__gte=before).values("child_id")
    ).exclude(pk__in=ChildHealth.objects.filter(updated_at__gte=before).values("child_id"))
    for here in _here:
        rows = rows.exclude(pk__in=here(timezone.localtime(before).date()))
    return rows
