"""Django's Redis cache, which may fall: it is then an empty cache for a moment, and costs no page an error.

A process that was not answered asks nobody for REST_SECONDS: a Redis that hangs slows one request, not all.
"""

import logging
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from django.core.cache.backends.redis import RedisCache as DjangoRedisCache
from redis.exceptions import RedisError

from portal.web.unanswered import Unanswered, is_strict

logger = logging.getLogger(__name__)

REST_SECONDS = 3.0
# Within one machine room an answer takes a millisecond.
PATIENCE_SECONDS = 1.0

Answer = TypeVar("Answer")
# By server, until when this process does not ask it.
_resting: dict[str, float] = {}


class RedisCache(DjangoRedisCache):
    """While it does not answer: nothing is found, nothing is kept, what is counted is the first."""

    def __init__(self, server: str, params: dict[str, Any]) -> None:
        options = params.setdefault("OPTIONS", {})
        options.setdefault("socket_timeout", PATIENCE_SECONDS)
        options.setdefault("socket_connect_timeout", PATIENCE_SECONDS)
        super().__init__(server, params)
        self._name = str(server)

    def answers(self) -> bool:
        """Whether it did when it was asked last; asks nothing."""
        return time.monotonic() >= _resting.get(self._name, 0.0)

    def _ask(self, question: Callable[[], Answer], otherwise: Answer) -> Answer:
        try:
            return self._surely(question)
        except Unanswered:
            if is_strict():
                raise
            return otherwise

    def _surely(self, question: Callable[[], Answer]) -> Answer:
        """Raises Unanswered."""
        if not self.answers():
            raise Unanswered
        try:
            return question()
        except (RedisError, OSError) as error:
            _resting[self._name] = time.monotonic() + REST_SECONDS
            logger.error("Redis does not answer: %s", type(error).__name__)
            raise Unanswered from error

    def run(self, script: str, keys: Sequence[str], values: Sequence[Any]) -> Any:
        """What a script in Lua answers, of keys that get the installation's prefix. Raises Unanswered."""
        made = [self.make_and_validate_key(key) for key in keys]

        def question() -> Any:
            return self._cache.get_client(None, write=True).eval(script, len(made), *made, *values)

        return self._surely(question)

    # What Django's cache answers ------------------------------------------------------------------------

    def get(self, key: Any, default: Any = None, version: int | None = None) -> Any:
        ask = super().get
        return self._ask(lambda: ask(key, default, version), default)

    def set(self, *args: Any, **kwargs: Any) -> Any:
        ask = super().set
        return self._ask(lambda: ask(*args, **kwargs), None)

    def add(self, *args: Any, **kwargs: Any) -> bool:
        ask = super().add
        return self._ask(lambda: bool(ask(*args, **kwargs)), True)

    def touch(self, *args: Any, **kwargs: Any) -> bool:
        ask = super().touch
        return self._ask(lambda: bool(ask(*args, **kwargs)), False)

    def delete(self, *args: Any, **kwargs: Any) -> bool:
        ask = super().delete
        return self._ask(lambda: bool(ask(*args, **kwargs)), False)

    def has_key(self, key: Any, version: int | None = None) -> bool:
        ask = super().has_key
        return self._ask(lambda: bool(ask(key, version)), False)

    def incr(self, key: Any, delta: int = 1, version: int | None = None) -> int:
        ask = super().incr
        return self._ask(lambda: int(ask(key, delta, version)), delta)

    def get_many(self, keys: Any, version: int | None = None) -> dict[Any, Any]:
        ask = super().get_many
        return self._ask(lambda: dict(ask(keys, version)), {})

    def set_many(self, *args: Any, **kwargs: Any) -> list[Any]:
        ask = super().set_many
        return self._ask(lambda: list(ask(*args, **kwargs)), [])

    def delete_many(self, keys: Any, version: int | None = None) -> None:
        ask = super().delete_many
        return self._ask(lambda: ask(keys, version), None)

    def clear(self) -> None:
        self._ask(super().clear, None)


def forget() -> None:
    """Asks again at once: between tests."""
    _resting.clear()
