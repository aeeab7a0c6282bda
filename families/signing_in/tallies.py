"""Tries, counted in rows of `LoginCounter`, in one statement: a hundred at once are a hundred."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection

from families.models import LoginCounter


class Tally(NamedTuple):
    """What is counted of whom, and from where; it begins anew a `window` after its first try."""

    who: str
    place: str
    window: timedelta


class Count(NamedTuple):
    """How many tries a row counts by now."""

    pk: int
    who: str
    place: str
    tries: int


def add(tallies: Sequence[Tally], *, at: datetime) -> list[Count]:
    """Adds one to each at once, in one order, so that nobody waits for one another."""
    moment = connection.ops.adapt_datetimefield_value
    values: list[Any] = []
    for one in tallies:
        values += [one.who, one.place, moment(at), moment(at + one.window)]
    table = LoginCounter._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} (who, place, failures, last_at, forgotten_at) "  # noqa: S608 our own table
            f"VALUES {', '.join(['(%s, %s, 1, %s, %s)'] * len(tallies))} "
            "ON CONFLICT (who, place) DO UPDATE SET "
            f"failures = CASE WHEN {table}.forgotten_at <= excluded.last_at THEN 1 "
            f"ELSE {table}.failures + 1 END, "
            "last_at = excluded.last_at, "
            f"forgotten_at = CASE WHEN {table}.forgotten_at <= excluded.last_at THEN excluded.forgotten_at "
            f"ELSE {table}.forgotten_at END "
            "RETURNING id, who, place, failures",
            values,
        )
        return [Count(*row) for row in cursor.fetchall()]


def forget(who: str) -> None:
    """Whatever is counted of somebody begins anew."""
    LoginCounter.objects.filter(who=who).delete()
