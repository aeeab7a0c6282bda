"""Lists of a million rows: counted as far as anybody looks, with a menu of dates that reads no row.

A list says how many rows it has up to MOST; beyond, that there are more. Nobody leafs through a hundred
pages: filters, the search and the dates lead further, and no action takes more rows than were counted.
"""

from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from functools import cached_property
from typing import Any

from django.core.paginator import Paginator
from django.db.models import Max, Min, QuerySet
from django.utils import timezone

from portal.french.amounts import number
from portal.french.dates import end_of_month, month_name, short_day

MOST = 10_000
TOO_MANY = f"Plus de {number(Decimal(MOST))} lignes : restreignez d'abord la liste."


def is_long(rows: QuerySet[Any]) -> bool:
    """Whether there are more rows than a list counts. Stops reading once it knows."""
    return _counted(rows) > MOST


def _counted(rows: QuerySet[Any]) -> int:
    return rows.order_by().values("pk")[: MOST + 1].count()


class LongPaginator(Paginator[Any]):
    """Pages of the first MOST rows."""

    @cached_property
    def count(self) -> int:
        return min(self._found, MOST)

    @property
    def more(self) -> bool:
        """Whether there are rows beyond those counted."""
        return self._found > MOST

    @cached_property
    def _found(self) -> int:
        if isinstance(self.object_list, QuerySet):
            return _counted(self.object_list)
        return len(self.object_list)


# Dates ----------------------------------------------------------------------------------------------------


def date_menu(cl: Any) -> dict[str, Any]:
    """What Django's template of the menu is given: years, the months of one, the days of one, between the
    first and the last date there is. One query by an index; none where a day is chosen."""
    name = cl.date_hierarchy
    chosen = [int(cl.params[key]) for key in _keys(name) if cl.params.get(key)]
    if len(chosen) == 3:
        day = date(chosen[0], chosen[1], chosen[2])
        up = {"link": _link(cl, name, *chosen[:2]), "title": month_name(day).capitalize()}
        return {"show": True, "back": up, "choices": [{"title": short_day(day)}]}
    bounds = _bounds(cl.model, name)
    if bounds is None:
        return {"show": False}
    first, last = bounds
    if not chosen and first.year == last.year:
        chosen = [first.year, first.month] if first.month == last.month else [first.year]
    back: dict[str, str] | None = None
    choices: list[tuple[str, tuple[int, ...]]]
    if len(chosen) == 2:
        back = {"link": _link(cl, name, chosen[0]), "title": str(chosen[0])}
        choices = [
            (short_day(day), (*chosen, day.day)) for day in _days(date(chosen[0], chosen[1], 1), first, last)
        ]
    elif chosen:
        back = {"link": _link(cl, name), "title": "Toutes les dates"}
        choices = [
            (month_name(month).capitalize(), (chosen[0], month.month))
            for month in (date(chosen[0], rank, 1) for rank in range(1, 13))
            if end_of_month(month) >= first and month <= last
        ]
    else:
        choices = [(str(year), (year,)) for year in range(first.year, last.year + 1)]
    links = [{"title": title, "link": _link(cl, name, *numbers)} for title, numbers in choices]
    return {"show": True, "back": back, "choices": links}


def _keys(name: str) -> tuple[str, ...]:
    return f"{name}__year", f"{name}__month", f"{name}__day"


def _link(cl: Any, name: str, *numbers: int) -> str:
    link: str = cl.get_query_string(dict(zip(_keys(name), numbers, strict=False)), [f"{name}__"])
    return link


def _days(month: date, first: date, last: date) -> Iterator[date]:
    for rank in range(1, end_of_month(month).day + 1):
        day = month.replace(day=rank)
        if first <= day <= last:
            yield day


def _bounds(model: Any, name: str) -> tuple[date, date] | None:
    found = model._default_manager.order_by().aggregate(first=Min(name), last=Max(name))
    first, last = (_date(found[end]) for end in ("first", "last"))
    return None if first is None or last is None else (first, last)


def _date(moment: Any) -> date | None:
    if isinstance(moment, datetime):
        return timezone.localdate(moment) if timezone.is_aware(moment) else moment.date()
    return moment if isinstance(moment, date) else None
