"""The line in Redis, for the processes of several machines: each step is one that Redis does at once."""

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
ANSWERS_WITHIN = 0.25
TURN_MS, TURN_PAUSE = 2000, 0.02
# What nobody wrote for so long is forgotten, in seconds; the sums of processes stay longer.
KEPT, REPORTS_KEPT = 6 * 3600, 2 * 86400
SEAT_KEPT = 60 * (line.INSIDE_MINUTES + 2)
# A process that said nothing for so long is at nothing.
SILENT_AFTER = 60.0
MOST = 1 << 20

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

    def _key(self, name: str) -> str:
        return f"{self._prefix}:{name}"

    @property
    def generation(self) -> str:
        return self._generation()

    @_or_trouble
    def _generation(self) -> str:
        key = self._key("generation")
        found: str | None = self._redis.get(key)
        if found is None:
            self._redis.set(key, secrets.token_hex(8), nx=True)
            found = self._redis.get(key)
        return found or ""

    @_or_trouble
    def board(self) -> Board:
        packed = self._redis.get(self._key("board"))
        if not packed:
            return Board()
        mode, *others = json.loads(packed)
        return Board(Mode(mode), *others)

    def together(self) -> nullcontext[None]:
        return nullcontext()

    @contextmanager
    def turn(self, patience: float = 0.0) -> Iterator[bool]:
        mine, until = secrets.token_hex(8), time.monotonic() + patience
        while not (taken := self._take_turn(mine)) and time.monotonic() < until:
            time.sleep(TURN_PAUSE)
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

    @_or_trouble
    def take(self) -> int | None:
        number: int = self._redis.incr(self._key("tail"))
        return number if self.waiting() < MOST else None

    @_or_trouble
    def visit(self, number: int, now: float) -> State:
        name = str(number)
        with self._redis.pipeline() as ask:
            ask.get(self._key("tail"))
            ask.hget(self._key("called"), name)
            ask.hget(self._key("entered"), name)
            tail, called, entered = ask.execute()
        if not 0 < number <= int(tail or 0):
            return State.GONE
        if entered is not None:
            return State.ENTERED if now - float(entered) <= 60 * line.INSIDE_MINUTES else State.GONE
        with self._redis.pipeline() as write:
            if called is not None and now - float(called) <= 60 * line.INSIDE_MINUTES:
                # Of two at once, both come in with the same seat.
                write.hset(self._key("entered"), name, now)
                write.hdel(self._key("called"), name)
                write.expire(self._key("entered"), KEPT)
                write.execute()
                return State.CALLED
            if called is not None:
                write.hdel(self._key("called"), name)
            write.hset(self._key("seen"), name, now)
            write.zadd(self._key("waiting"), {name: number})
            write.expire(self._key("seen"), KEPT)
            write.expire(self._key("waiting"), KEPT)
            write.execute()
        return State.WAITING

    @_or_trouble
    def rank(self, number: int) -> int:
        return int(self._redis.zcount(self._key("waiting"), "-inf", f"({number}")) + 1

    @_or_trouble
    def waiting(self) -> int:
        return int(self._redis.zcard(self._key("waiting")))

    @_or_trouble
    def call_next(self, now: float, patience: float) -> bool:
        while first := self._redis.zrange(self._key("waiting"), 0, 0):
            (name,) = first
            seen = self._redis.hget(self._key("seen"), name)
            called = seen is not None and now - float(seen) <= patience
            with self._redis.pipeline() as write:
                write.zrem(self._key("waiting"), name)
                write.hdel(self._key("seen"), name)
                if called:
                    write.hset(self._key("called"), name, now)
                    write.expire(self._key("called"), KEPT)
                write.execute()
            if called:
                return True
        return False

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
