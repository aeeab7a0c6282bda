"""Sessions in Redis (SESSION_ENGINE where CACHE_URL names one), in the database while it does not answer.

A key says where its session lies. So a portal that gets a Redis keeps the sessions that were open before; and
when Redis falls, who was logged in logs in again, into the database, and stays so when Redis is back.
"""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from django.contrib.auth import SESSION_KEY as USER_KEY
from django.contrib.sessions.backends.base import CreateError, UpdateError
from django.core.cache import cache
from django.utils import timezone

from portal.web import table_sessions
from portal.web.table_sessions import Data
from portal.web.unanswered import Unanswered, strictly

# What begins the keys of sessions in Redis: a capital, which no key of the table has.
MARK = "R"
PREFIX = "session-"
# A session lies there with the moment of its end, and a day longer: whose form was posted too late is known.
SEPARATOR = " "
OWNER_KNOWN_SECONDS = 24 * 3600


class SessionStore(table_sessions.SessionStore):
    def new_key(self) -> str:
        key = super().new_key()
        kept: Any = cache
        return MARK + key[len(MARK) :] if kept.answers() else key

    def load(self) -> Data:
        if not _in_redis(self.session_key):
            return super().load()
        key = str(self.session_key)
        encoded = _alive(_texts([key])).get(key)
        if encoded is None:
            self._session_key = None
            return {}
        return self.decode(encoded)

    def exists(self, session_key: str) -> bool:
        return cache.has_key(PREFIX + session_key) if _in_redis(session_key) else super().exists(session_key)

    def write(self, encoded: str, until: datetime, *, new: bool) -> None:
        if not _in_redis(self.session_key):
            return super().write(encoded, until, new=new)
        key, seconds = PREFIX + str(self.session_key), self.get_expiry_age() + OWNER_KNOWN_SECONDS
        text = f"{until.timestamp():.0f}{SEPARATOR}{encoded}"
        try:
            with strictly():
                if new:
                    kept = cache.add(key, text, seconds)
                elif kept := cache.touch(key, seconds):
                    cache.set(key, text, seconds)
        except Unanswered:
            # What was open cannot be kept; what has just been opened finds its place in the table.
            if new:
                self._session_key = super().new_key()
                super().write(encoded, until, new=True)
            return None
        if not kept:
            raise CreateError if new else UpdateError
        return None

    @classmethod
    def opened(cls, keys: Collection[str]) -> dict[str, Data]:
        found = {key: SessionStore().decode(text) for key, text in _alive(_texts(keys)).items()}
        return found | super().opened([key for key in keys if not _in_redis(key)])

    @classmethod
    def known(cls, keys: Collection[str]) -> set[str]:
        others = super().known([key for key in keys if not _in_redis(key)])
        try:
            with strictly():
                return others | _texts(keys).keys()
        except Unanswered:
            return others | set(filter(_in_redis, keys))

    @classmethod
    def owner(cls, key: str) -> str | None:
        if not _in_redis(key):
            return super().owner(key)
        if (text := _texts([key]).get(key)) is None:
            return None
        owner: str | None = SessionStore().decode(text.partition(SEPARATOR)[2]).get(USER_KEY)
        return owner

    @classmethod
    def end(cls, keys: Collection[str]) -> None:
        """Where Redis does not answer, they end by their generation (`families/signing_in/sessions.py`)."""
        if there := [PREFIX + key for key in keys if _in_redis(key)]:
            cache.delete_many(there)
        if elsewhere := [key for key in keys if not _in_redis(key)]:
            super().end(elsewhere)


def _in_redis(key: str | None) -> bool:
    return key is not None and key.startswith(MARK)


def _alive(texts: dict[str, str]) -> dict[str, str]:
    """What these hold that are not over."""
    now = timezone.now().timestamp()
    parts = {key: text.partition(SEPARATOR) for key, text in texts.items()}
    return {key: encoded for key, (until, _, encoded) in parts.items() if float(until) > now}


def _texts(keys: Collection[str]) -> dict[str, str]:
    wanted = [PREFIX + key for key in keys if _in_redis(key)]
    return {key.removeprefix(PREFIX): text for key, text in cache.get_many(wanted).items()} if wanted else {}
