"""Tries, counted: a hundred at once are a hundred. In rows of `LoginCounter`, each in one statement; in Redis
where the portal has one, whose functions raise Unanswered while it does not answer.
"""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from django.core.cache import caches
from django.db import connection
from django.db.models import Q, QuerySet

from families.models import LoginCounter
from portal.database.composed import Composed, Given

if TYPE_CHECKING:  # its library takes memory where there is no Redis
    from portal.web.redis_cache import RedisCache


class Tally(NamedTuple):
    """What is counted of whom, and from where; it begins anew a `window` after its first try."""

    who: str
    place: str
    window: timedelta


class Count(NamedTuple):
    """How many tries there are by now, and when the last one was; `pk` of the row, 0 in Redis."""

    pk: int
    who: str
    place: str
    tries: int
    last_at: datetime


def known(tallies: Sequence[Tally], *, at: datetime) -> list[Count]:
    """Those of which something counts at the aware moment `at`."""
    if (redis := _redis()) is not None:
        return _known_in_redis(redis, tallies, at)
    given = {f"who{number}": one.who for number, one in enumerate(tallies)}
    given |= {f"place{number}": one.place for number, one in enumerate(tallies)}
    rows = _alive(len(tallies), at=at, **given)
    return [Count(one.pk, one.who, one.place, one.failures, one.last_at) for one in rows]


@Composed
def _alive(count: int) -> "QuerySet[LoginCounter]":
    rows = Q(
        *(Q(who=Given(f"who{number}"), place=Given(f"place{number}")) for number in range(count)),
        _connector=Q.OR,
    )
    return LoginCounter.objects.filter(rows, forgotten_at__gt=Given("at"))


def add(tallies: Sequence[Tally], *, at: datetime) -> list[Count]:
    """Adds one to each at once, in one order, so that nobody waits for one another."""
    if (redis := _redis()) is not None:
        return _add_in_redis(redis, tallies, at)
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
        rows = cursor.fetchall()
    return [Count(pk, who, place, tries, at) for pk, who, place, tries in rows]


def take_back(tried: Collection[tuple[str, str, datetime]]) -> None:
    """One try less of each (who, place), whose last one was at that moment."""
    if (redis := _redis()) is not None:
        keys = [_key(who, place) for who, place, _ in tried]
        redis.run(TAKE_BACK, keys, [_stamp(last_at) for *_, last_at in tried])
        return
    moment = connection.ops.adapt_datetimefield_value
    table = LoginCounter._meta.db_table
    values: list[Any] = []
    for who, place, last_at in tried:
        values += [who, place, moment(last_at)]
    kind = "::timestamptz" if connection.vendor == "postgresql" else ""
    rows = " UNION ALL ".join([f"SELECT %s AS who, %s AS place, %s{kind} AS last_at"] * len(tried))
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {table} SET failures = failures - 1, last_at = before.last_at "  # noqa: S608 our own table
            f"FROM ({rows}) AS before "
            f"WHERE {table}.who = before.who AND {table}.place = before.place AND failures > 0",
            values,
        )


def drop(whose: Collection[tuple[str, str]]) -> None:
    """What is counted of each (who, place) begins anew."""
    if (redis := _redis()) is not None:
        redis.delete_many([_key(*one) for one in whose])
        return
    table = LoginCounter._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(
            f"DELETE FROM {table} WHERE "  # noqa: S608 our own table
            + " OR ".join(["(who = %s AND place = %s)"] * len(whose)),
            [text for one in whose for text in one],
        )


def forget(who: str) -> None:
    """Whatever is counted of somebody begins anew."""
    LoginCounter.objects.filter(who=who).delete()
    if (redis := _redis()) is not None:
        redis.run(FORGET, [_places(who)], [redis.make_key(_key(who, ""))])


# In Redis -----------------------------------------------------------------------------------------------
#
# A counter is a hash: its tries, the last one, and when it is forgotten, in microseconds. The portal's clock
# says what counts; Redis forgets by its own, a window after the last try. The places of somebody are a set.

KNOWN = """
local found = {}
for number, key in ipairs(KEYS) do found[number] = redis.call('HMGET', key, 'tries', 'last', 'until') end
return found
"""
ADD = """
local tries = {}
for number = 1, #KEYS, 2 do
  local at, window, place = ARGV[1], ARGV[number + 1], ARGV[number + 2]
  local ends = redis.call('HGET', KEYS[number], 'until')
  if not ends or tonumber(ends) <= tonumber(at) then
    redis.call('DEL', KEYS[number])
    redis.call('HSET', KEYS[number], 'until', string.format('%.0f', tonumber(at) + tonumber(window)))
  end
  table.insert(tries, redis.call('HINCRBY', KEYS[number], 'tries', 1))
  redis.call('HSET', KEYS[number], 'last', at)
  redis.call('PEXPIRE', KEYS[number], math.floor(tonumber(window) / 1000))
  if KEYS[number + 1] ~= ARGV[#ARGV] then
    redis.call('SADD', KEYS[number + 1], place)
    redis.call('PEXPIRE', KEYS[number + 1], 86400000)
  end
end
return tries
"""
TAKE_BACK = """
for number, key in ipairs(KEYS) do
  if tonumber(redis.call('HGET', key, 'tries') or '0') > 0 then
    redis.call('HINCRBY', key, 'tries', -1)
    redis.call('HSET', key, 'last', ARGV[number])
  end
end
"""
FORGET = """
for _, place in ipairs(redis.call('SMEMBERS', KEYS[1])) do redis.call('DEL', ARGV[1] .. place) end
redis.call('DEL', KEYS[1])
"""
MICROSECOND = timedelta(microseconds=1)
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


def _redis() -> "RedisCache | None":
    kept: Any = caches["default"]
    return kept if hasattr(kept, "run") else None


def _key(who: str, place: str) -> str:
    return f"tries:{who}:{place}"


def _places(who: str) -> str:
    return f"tries-of:{who}"


def _stamp(at: datetime) -> int:
    return (at - BEGINNING) // MICROSECOND


def _known_in_redis(redis: "RedisCache", tallies: Sequence[Tally], at: datetime) -> list[Count]:
    rows = redis.run(KNOWN, [_key(one.who, one.place) for one in tallies], [])
    now = _stamp(at)
    return [
        Count(0, one.who, one.place, int(tries), BEGINNING + int(last) * MICROSECOND)
        for one, (tries, last, until) in zip(tallies, rows, strict=True)
        if tries is not None and int(until) > now
    ]


def _add_in_redis(redis: "RedisCache", tallies: Sequence[Tally], at: datetime) -> list[Count]:
    keys = [key for one in tallies for key in (_key(one.who, one.place), _places(one.who))]
    values = [value for one in tallies for value in (one.window // MICROSECOND, one.place)]
    # Nobody forgets all that is counted of nobody: a network's counters need no list.
    tries = redis.run(ADD, keys, [_stamp(at), *values, redis.make_key(_places(""))])
    return [Count(0, one.who, one.place, int(n), at) for one, n in zip(tallies, tries, strict=True)]
