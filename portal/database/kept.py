"""What a page asks several times of one row, and reads once."""

from collections.abc import Callable
from functools import wraps
from typing import TypeVar

from django.db.models import Model

R = TypeVar("R", bound=Model)
T = TypeVar("T")


def kept_with_row(read: Callable[[R], T]) -> Callable[[R], T]:
    """Makes `read(row)` run once for each object in memory: the answer is kept on it, and goes with it.

    For what the blocks of one page share. The same row loaded again is read again.
    """
    name = f"_{read.__module__}.{read.__qualname__}"

    @wraps(read)
    def kept(row: R) -> T:
        if name not in vars(row):
            vars(row)[name] = read(row)
        answer: T = vars(row)[name]
        return answer

    return kept
