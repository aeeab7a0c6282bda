"""Sessions in the database (SESSION_ENGINE), written once a request: a login opens one row, in one statement.

Django's own looks whether a key is free, writes an empty session and then the same again with what is in it.
A key of 32 random signs is free; were it not, the database says so when the session is written.
"""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from django.contrib.auth import SESSION_KEY as USER_KEY
from django.contrib.sessions.backends import db
from django.contrib.sessions.backends.base import VALID_KEY_CHARS, CreateError, UpdateError
from django.contrib.sessions.models import Session
from django.db import connection
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.crypto import get_random_string

from portal.database.composed import Composed, Given

Data = dict[str, Any]


@Composed
def _alive() -> "QuerySet[Session]":
    return Session.objects.filter(session_key=Given("key"), expire_date__gt=Given("at"))


class SessionStore(db.SessionStore):
    """A session; `opened`, `end` and `known` speak of many."""

    # Begun in this request, and not written yet.
    unwritten = False

    def _get_session_from_db(self) -> Session | None:
        found = _alive(key=self.session_key, at=timezone.now()) if self.session_key else []
        if found:
            return found[0]
        self._session_key = None
        return None

    def new_key(self) -> str:
        return get_random_string(32, VALID_KEY_CHARS)

    def create(self) -> None:
        """A key of its own; written with what it holds when the request ends."""
        self._session_key = self.new_key()
        self._session_cache = getattr(self, "_session_cache", {})
        self.unwritten = self.modified = True

    def save(self, must_create: bool = False) -> None:
        """Raises CreateError where the key is taken, UpdateError where the session was ended meanwhile."""
        if self.session_key is None:
            self.create()
        new = must_create or self.unwritten
        data: Data = super()._get_session(no_load=new)  # type: ignore[misc]  # Django's own; its stubs leave it out
        self.write(self.encode(data), self.get_expiry_date(), new=new)
        self.unwritten = False

    def write(self, encoded: str, until: datetime, *, new: bool) -> None:
        moment = connection.ops.adapt_datetimefield_value(until)
        with connection.cursor() as cursor:
            if new:
                cursor.execute(
                    "INSERT INTO django_session (session_key, session_data, expire_date) VALUES (%s, %s, %s) "
                    "ON CONFLICT (session_key) DO NOTHING",
                    [self.session_key, encoded, moment],
                )
            else:
                cursor.execute(
                    "UPDATE django_session SET session_data = %s, expire_date = %s WHERE session_key = %s",
                    [encoded, moment, self.session_key],
                )
            if not cursor.rowcount:
                raise CreateError if new else UpdateError

    def delete(self, session_key: str | None = None) -> None:
        key = session_key or self.session_key
        if key is None:
            return
        if key == self.session_key:
            self.unwritten = False
        self.end([key])

    # Many at once ---------------------------------------------------------------------------------------

    @classmethod
    def opened(cls, keys: Collection[str]) -> dict[str, Data]:
        """What those of these sessions hold that are not over, by key."""
        alive = Session.objects.filter(session_key__in=keys, expire_date__gt=timezone.now())
        return {one.session_key: one.get_decoded() for one in alive}

    @classmethod
    def known(cls, keys: Collection[str]) -> set[str]:
        """Those of these keys whose session is kept; of what cannot be asked now, all."""
        return set(Session.objects.filter(session_key__in=keys).values_list("session_key", flat=True))

    @classmethod
    def owner(cls, key: str) -> str | None:
        """The user (pk) of a session, of one that is over too until the night; None where it is not known."""
        found = Session.objects.filter(session_key=key).first()
        owner: str | None = found.get_decoded().get(USER_KEY) if found else None
        return owner

    @classmethod
    def end(cls, keys: Collection[str]) -> None:
        """Ends these sessions."""
        Session.objects.filter(session_key__in=keys).delete()
