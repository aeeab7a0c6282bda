"""What becomes of a question to the cache while Redis does not answer (`redis_cache.py`).

By itself a cache that is down is an empty one: pages go on, limits let through. Who would rather refuse than
not know asks within `strictly()`, and is told by `Unanswered`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_strict: ContextVar[bool] = ContextVar("strict", default=False)


class Unanswered(Exception):
    """The cache does not answer."""


@contextmanager
def strictly() -> Iterator[None]:
    """Within, the cache raises Unanswered where it would have answered as an empty one."""
    token = _strict.set(True)
    try:
        yield
    finally:
        _strict.reset(token)


def is_strict() -> bool:
    return _strict.get()
