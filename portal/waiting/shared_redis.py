"""The line in Redis, for the processes of several machines: each step is one that Redis does at once.

Who waits costs one question to it, and half a one more now and then."""

import json
import os
import secrets
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import astuple
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

import redis

from portal.waiting import line
from portal.waiting.line import Board, Mode, Totals
from portal.waiting.store import State, Trouble

# Who does not answer within is not there: a request never waits longer for it.
ANSWERS_WITHIN = 1.0
TURN_MS, TURN_PAUSE = 2000, 0.02
# What nobody wrote for so long is forgotten, in seconds; the sums of processes stay longer.
KEPT, REPORTS_KEPT = 6 * 3600, 2 * 86400
SEAT_KEPT = 60 * (line.INSIDE_MINUTES + 2)
# A process that said nothing for so long is at nothing.
SILENT_AFTER = 60.0
MOST = 1 << 20
# What a request may read a little late: whether the room is open, its pace.
FRESH = 0.25

# KEYS: tail, called, entered, seen, waiting, given. ARGV: number, now, how long a seat serves, keys stay.
VISIT = """
local number, now = tonumber(ARGV[1]), tonumber(ARGV[2])
if number < 1 or number > tonumber(redis.call('GET', KEYS[1]) or '0') then return {4, 0} end
local entered = redis.call('HGET', KEYS[3], ARGV[1])
if entered then
  if now - tonumber(entered) <= tonumber(ARGV[3]) then return {3, 0} else return {4, 0} end
end
local called = redis.call('HGET', KEYS[2], ARGV[1])
if called then
  redis.call('HDEL', KEYS[2], ARGV[1])
  if now - tonumber(called) <= tonumber(ARGV[3]) then
    redis.call('HSET', KEYS[3], ARGV[1], ARGV[2])
    redis.call('EXPIRE', KEYS[3], ARGV[4])
    return {2, 0}
  end
end
redis.call('HSET', KEYS[4], ARGV[1], ARGV[2])
redis.call('ZREM', KEYS[6], ARGV[1])
redis.call('ZADD', KEYS[5], number, ARGV[1])
redis.call('EXPIRE', KEYS[4], ARGV[4])
redis.call('EXPIRE', KEYS[5], ARGV[4])
return {1, redis.call('ZRANK', KEYS[5], ARGV[1]) + 1}
"""
# The smallest number given just now, nil where there is none.
NEW = """
local function new(given, seen, now, patience)
  while true do
    local first = redis.call('ZRANGE', given, 0, 0)[1]
    if not first then return nil end
    if now - tonumber(redis.call('HGET', seen, first) or '0') <= patience then return first end
    redis.call('ZREM', given, first)
    redis.call('HDEL', seen, first)
  end
end
"""
# KEYS: waiting, tokens, tail, given, seen. ARGV: how many may wait, now, how long one is new, keys are kept,
# whether one may come in at once.
ARRIVE = (
    NEW
    + """
local waiting, now = redis.call('ZCARD', KEYS[1]), tonumber(ARGV[2])
if ARGV[5] == '1' and waiting == 0 and not new(KEYS[4], KEYS[5], now, tonumber(ARGV[3]))
   and tonumber(redis.call('GET', KEYS[2]) or '0') >= 1 then
  redis.call('INCRBYFLOAT', KEYS[2], -1)
  return {0, 0}
end
if waiting >= tonumber(ARGV[1]) then return {-1, waiting + 1} end
local number = redis.call('INCR', KEYS[3])
redis.call('ZADD', KEYS[4], number, number)
redis.call('HSET', KEYS[5], number, ARGV[2])
redis.call('EXPIRE', KEYS[4], ARGV[4])
redis.call('EXPIRE', KEYS[5], ARGV[4])
return {number, waiting + 1}
"""
)
# KEYS: waiting, given, seen, called. ARGV: now, patience, how long one is new, keys are kept.
CALL = (
    NEW
    + """
local now = tonumber(ARGV[1])
local fresh = new(KEYS[2], KEYS[3], now, tonumber(ARGV[3]))
while true do
  local first = redis.call('ZRANGE', KEYS[1], 0, 0)[1]
  if not first or (fresh and tonumber(fresh) < tonumber(first)) then first = fresh end
  if not first then return 0 end
  local seen = tonumber(redis.call('HGET', KEYS[3], first) or '0')
  redis.call('ZREM', KEYS[1], first)
  redis.call('ZREM', KEYS[2], first)
  redis.call('HDEL', KEYS[3], first)
  if first == fresh or now - seen <= tonumber(ARGV[2]) then
    redis.call('HSET', KEYS[4], first, ARGV[1])
    redis.call('EXPIRE', KEYS[4], ARGV[4])
    return 1
  end
end
"""
)

Asked = ParamSpec("Asked")
Found = TypeVar("Found")


def _or_trouble(
    ask: Callable[Concatenate["SharedRedis", Asked], Found],
) -> Callable[Concatenate["SharedRedis", Asked], Found]:
    @wraps(ask)
    def asked(self: "SharedRedis", /, *args: Asked.args, **kwargs: Asked.kwargs) -> Found:
        try:
            return ask(self, *args, **kwargs)
        except (redis.RedisError, OSError, ValueError, TypeError) as error:
            raise Trouble(str(error)) from error

    return asked


class SharedRedis:
    """See `Store`. `prefix` begins the keys: several portals may share a Redis."""

    def __init__(self, url: str, prefix: str) -> None:
        self._redis: Any = redis.Redis.from_url(
            url, socket_timeout=ANSWERS_WITHIN, socket_connect_timeout=ANSWERS_WITHIN, decode_responses=True
        )
        self._prefix = prefix
        self._visit = self._redis.register_script(VISIT)
        self._arrive = self._redis.register_script(ARRIVE)
        self._call = self._redis.register_script(CALL)
        # What was read lately: the time it was read at, the board, the generation.
        self._read: tuple[float, Board, str] | None = None

    def _key(self, name: str) -> str:
        return f"{self._prefix}:{name}"

    @property
    def generation(self) -> str:
        return self._lately()[1]

    def board(self) -> Board:
        return self._lately()[0]

    @_or_trouble
    def _lately(self) -> tuple[Board, str]:
        read = self._read
        if read is None or time.monotonic() - read[0] > FRESH:
            packed, generation = self._redis.mget(self._key("board"), self._key("generation"))
            if generation is None:
                self._redis.set(self._key("generation"), secrets.token_hex(8), nx=True)
                generation = self._redis.get(self._key("generation"))
            mode, *others = json.loads(packed) if packed else (0,)
            read = self._read = (time.monotonic(), Board(Mode(mode), *others), generation)
        return read[1:]

    def together(self) -> nullcontext[None]:
        return nullcontext()

    @contextmanager
    def turn(self, patience: float = 0.0) -> Iterator[bool]:
        mine, until = secrets.token_hex(8), time.monotonic() + patience
        while not (taken := self._take_turn(mine)) and time.monotonic() < until:
            time.sleep(TURN_PAUSE)
        self._read = None
        try:
            yield taken
        finally:
            if taken:
                self._give_turn(mine)

    @_or_trouble
    def _take_turn(self, mine: str) -> bool:
        return bool(self._redis.set(self._key("turn"), mine, nx=True, px=TURN_MS))

    @_or_trouble
    def _give_turn(self, mine: str) -> None:
        if self._redis.get(self._key("turn")) == mine:
            self._redis.delete(self._key("turn"))

    @_or_trouble
    def write_board(self, board: Board) -> None:
        self._redis.set(self._key("board"), json.dumps(astuple(board)))
        self._read = None

    @_or_trouble
    def report(self, totals: Totals, at: float) -> None:
        who = f"{socket.gethostname()}:{os.getpid()}"
        self._redis.hset(self._key("reports"), who, json.dumps([at, *astuple(totals)]))

    @_or_trouble
    def totals(self, now: float) -> Totals:
        found, cores, old = [], {}, []
        for who, packed in self._redis.hgetall(self._key("reports")).items():
            at, *sums = json.loads(packed)
            its = Totals(*sums)
            if now - at > REPORTS_KEPT:
                old.append(who)
                continue
            alive = now - at < SILENT_AFTER
            if alive:
                cores[who.rpartition(":")[0]] = its.cores
            found.append((its, max(0.0, now - at) if alive else 0.0, alive))
        if old:
            self._redis.hdel(self._key("reports"), *old)
        return Totals(
            cores=sum(cores.values()) or 1,
            in_progress=sum(its.in_progress for its, _, alive in found if alive),
            progress=sum(its.progress + its.in_progress * since for its, since, _ in found),
            lay=sum(its.lay for its, _, _ in found),
            taken=sum(its.taken for its, _, _ in found),
            arrivals=sum(its.arrivals for its, _, _ in found),
            cpu=sum(its.cpu for its, _, _ in found),
            logins=sum(its.logins for its, _, _ in found),
            served=sum(its.served for its, _, _ in found),
        )

    @_or_trouble
    def earn(self, more: float, most: float) -> None:
        now: float = self._redis.incrbyfloat(self._key("tokens"), more)
        if now > most:
            self._redis.incrbyfloat(self._key("tokens"), most - now)

    @_or_trouble
    def spend(self) -> bool:
        if float(self._redis.get(self._key("tokens")) or 0) < 1:
            return False
        if self._redis.incrbyfloat(self._key("tokens"), -1) >= 0:
            return True
        self._redis.incrbyfloat(self._key("tokens"), 1)
        return False

    def take(self, now: float) -> int | None:
        return self._number(now, at_once=False)[0]

    @_or_trouble
    def visit(self, number: int, now: float) -> tuple[State, int]:
        state, rank = self._visit(
            keys=[self._key(name) for name in ("tail", "called", "entered", "seen", "waiting", "given")],
            args=[number, now, 60 * line.INSIDE_MINUTES, KEPT],
        )
        return State(state), rank

    def arrive(self, now: float) -> tuple[int | None, int]:
        return self._number(now, at_once=True)

    @_or_trouble
    def _number(self, now: float, *, at_once: bool) -> tuple[int | None, int]:
        number, rank = self._arrive(
            keys=[self._key(name) for name in ("waiting", "tokens", "tail", "given", "seen")],
            args=[MOST, now, line.PATIENCE_NEW, KEPT, int(at_once)],
        )
        return (None if number < 0 else number), rank

    @_or_trouble
    def waiting(self) -> int:
        return int(self._redis.zcard(self._key("waiting")))

    @_or_trouble
    def call_next(self, now: float) -> bool:
        called = self._call(
            keys=[self._key(name) for name in ("waiting", "given", "seen", "called")],
            args=[now, line.PATIENCE, line.PATIENCE_NEW, KEPT],
        )
        return bool(called)

    @_or_trouble
    def sit(self, seat: str, minute: int) -> bool:
        if self._redis.exists(self._key(f"bound:{seat}")):
            return False
        self._redis.zadd(self._key("seats"), {seat: minute})
        self._redis.expire(self._key("seats"), KEPT)
        return True

    @_or_trouble
    def bind(self, seat: str, account: str, minute: int) -> bool:
        key = self._key(f"bound:{seat}")
        self._redis.set(key, account, nx=True, ex=SEAT_KEPT)
        self._redis.zrem(self._key("seats"), seat)
        return bool(self._redis.get(key) == account)

    @_or_trouble
    def inside(self, minute: int) -> int:
        since = minute - line.INSIDE_MINUTES + 1
        self._redis.zremrangebyscore(self._key("seats"), "-inf", f"({since}")
        return int(self._redis.zcount(self._key("seats"), since, minute))

    @_or_trouble
    def moments(self) -> str:
        return self._redis.get(self._key("moments")) or ""

    @_or_trouble
    def write_moments(self, text: str) -> None:
        self._redis.set(self._key("moments"), text, ex=86400)
