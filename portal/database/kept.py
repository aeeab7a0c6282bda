"""What is read from the database once: for a page, on the row it is about; for a process, half a minute."""

import time
from collections.abc import Callable
from functools import update_wrapper, wraps
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar
from weakref import WeakSet

from django.db.models import Model

FRESH_SECONDS = 30

Asked = ParamSpec("Asked")
Found = TypeVar("Found")
Row = TypeVar("Row", bound=Model)


def once_a_page(read: Callable[Concatenate[Row, Asked], Found]) -> Callable[Concatenate[Row, Asked], Found]:
    """A reader of what belongs to a row reads it once for that instance: blocks of a page are given the same.

    What is asked besides the row is hashable.
    """

    @wraps(read)
    def kept(row: Row, /, *asked: Asked.args, **named: Asked.kwargs) -> Found:
        found: dict[object, Found] = row.__dict__.setdefault("_kept_for_the_page", {})
        key = (read, asked, *named.items())
        if key not in found:
            found[key] = read(row, *asked, **named)
        return found[key]

    return kept


_all: "WeakSet[KeptAWhile[Any, Any]]" = WeakSet()


class KeptAWhile(Generic[Asked, Found]):
    """A reader that reads anew after FRESH_SECONDS, in each process.

    For what pages ask all the time and a town changes a few times a year; no price that is billed rests on
    it. What is asked is hashable.
    """

    def __init__(self, read: Callable[Asked, Found]) -> None:
        self._read = read
        _all.add(self)
        self._found: dict[object, tuple[float, Found]] = {}
        update_wrapper(self, read)

    def __call__(self, *asked: Asked.args, **named: Asked.kwargs) -> Found:
        now, key = time.monotonic(), (asked, *named.items())
        kept = self._found.get(key)
        if kept is None or now - kept[0] > FRESH_SECONDS:
            kept = self._found[key] = (now, self._read(*asked, **named))
        return kept[1]

    def keep(self, found: Found, *asked: Asked.args, **named: Asked.kwargs) -> None:
        """As if it was read just now."""
        self._found[asked, *named.items()] = (time.monotonic(), found)

    def forget(self) -> None:
        """Reads anew on the next call."""
        self._found.clear()


def forget_all() -> None:
    """Each reader reads anew on its next call: another town stands in the database, or none."""
    for one in list(_all):
        one.forget()
