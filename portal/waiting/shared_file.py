"""The line in a file, for the processes of one machine.

Read and written at its places, never mapped: a full disk or a file that somebody cuts is then an error, not
the end of the process. All its room is taken when it is made. One lock, which ends with the process that
holds it; who cannot have it soon goes on without. What a process killed in the middle leaves behind is whole:
the head is written in turns at two places with its sum, everything else in one piece of at most 24 bytes.
"""

import errno
import fcntl
import os
import struct
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import astuple, fields
from pathlib import Path

from portal.files import modes
from portal.waiting import line
from portal.waiting.line import Board, Mode, Totals
from portal.waiting.store import State, Trouble

MAGIC = b"portail3"
# How long the lock is waited for, and between two tries. On a machine that has more to do than it can, who
# holds it may not get the processor for a good while: to let everybody in because of that would be the end.
LOCK_PATIENCE, LOCK_PAUSE = 2.0, 0.0005

# Places that may be outstanding at once, and the mask that finds one in its ring.
PLACES = 1 << 20
SEATS = 1 << 17
PROBES = 16
# A seat serves nobody after so many minutes.
SEAT_KEPT = line.INSIDE_MINUTES + 2
PROCESSES = 256
# Clocks of two machines differ: the file is born a day before.
AHEAD = 86400.0

_BOARD = struct.Struct("<Bd?" + "d" * 11 + "i" + "ddqqdq" + "dqdd")
# Which write it is, the next number, the smallest one that may wait, the smallest that may be new, how many
# may come in; then the board.
_HEAD = struct.Struct("<QQQQd")
_SUM = struct.Struct("<I")
_REPORT = struct.Struct("<QidddqqdqqiI")
_MINUTES = struct.Struct("<II")
_SEAT = struct.Struct("<QQII")
# When it last asked, in tenths of a second since the file was made; which turn of the ring; its state.
_PLACE = struct.Struct("<IHBB")

_HEADS = (64, 576)
_MOMENTS, _MOMENTS_SIZE = 4096, 12288
_REPORTS = 16384
_COUNTS, _COUNTED = 49152, 32
_SEATS = 53248
_WAITS = _SEATS + SEATS * _SEAT.size
_PLACES = _WAITS + PLACES // 8
SIZE = _PLACES + PLACES * _PLACE.size


class _Head:
    """The head of the file, as read under the lock."""

    def __init__(self, turn: int, tail: int, low: int, new: int, tokens: float, board: Board) -> None:
        self.turn, self.tail, self.low, self.new = turn, tail, low, new
        self.tokens, self.board = tokens, board


class SharedFile:
    """See `Store`. Opened by each process when it first asks: processes forked from one share nothing."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._thread_lock = threading.RLock()
        self._depth = 0
        self._read_head: _Head | None = None  # as long as the lock is held
        self._fd = -1
        self._pid = 0
        self._inode = (0, 0)
        self._born = 0.0
        self._generation = ""

    # The file and its lock ---------------------------------------------------------------------------------

    @property
    def generation(self) -> str:
        with self._locked():
            return self._generation

    @contextmanager
    def _locked(self) -> Iterator[None]:
        try:
            with self._thread_lock:
                if self._depth:
                    yield
                    return
                self._open()
                self._lock()
                self._depth = 1
                try:
                    yield
                finally:
                    self._depth, self._read_head = 0, None
                    fcntl.flock(self._fd, fcntl.LOCK_UN)
        except (OSError, struct.error) as error:
            raise Trouble(str(error)) from error

    def _lock(self) -> None:
        until = time.monotonic() + LOCK_PATIENCE
        while True:
            try:
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > until:
                    raise
                time.sleep(LOCK_PAUSE)
            else:
                return

    def _open(self) -> None:
        """The file that has the name now: one that was removed is nobody's line any more."""
        if self._fd >= 0 and self._pid == os.getpid():
            try:
                there = self._path.stat()
            except FileNotFoundError:
                there = None
            if there is not None and (there.st_dev, there.st_ino) == self._inode and there.st_size == SIZE:
                return
            os.close(self._fd)
        self._fd = -1
        modes.make_private(self._path.parent)
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, modes.FILE)
        self._fd, self._pid = fd, os.getpid()
        self._lock()
        try:
            found = os.fstat(fd)
            self._inode = (found.st_dev, found.st_ino)
            first = os.pread(fd, 24, 0)
            if found.st_size != SIZE or first[:8] != MAGIC or self._newest() is None:
                self._make()
                first = os.pread(fd, 24, 0)
            self._generation = first[8:16].hex()
            (self._born,) = struct.unpack("<d", first[16:24])
        finally:
            fcntl.flock(fd, fcntl.LOCK_UN)

    def _make(self) -> None:
        os.ftruncate(self._fd, 0)
        os.posix_fallocate(self._fd, 0, SIZE)
        self._write_head(_Head(0, 1, 1, 1, 0.0, Board()))
        self._write(0, MAGIC + os.urandom(8) + struct.pack("<d", time.time() - AHEAD))

    def _write(self, where: int, what: bytes) -> None:
        if os.pwrite(self._fd, what, where) != len(what):
            raise OSError(errno.EIO, "Not all of it was written")

    def _read(self, where: int, size: int) -> bytes:
        found = os.pread(self._fd, size, where)
        if len(found) != size:
            raise OSError(errno.EIO, "Not all of it is there")
        return found

    # Its head ----------------------------------------------------------------------------------------------

    def _newest(self) -> _Head | None:
        found = [head for head in map(self._head_at, _HEADS) if head is not None]
        return max(found, key=lambda head: head.turn, default=None)

    def _head_at(self, where: int) -> _Head | None:
        size = _HEAD.size + _BOARD.size
        packed = self._read(where, size + _SUM.size)
        if zlib.crc32(packed[:size]) != _SUM.unpack(packed[size:])[0]:
            return None
        mode, *others = _BOARD.unpack(packed[_HEAD.size : size])
        turn, tail, low, new, tokens = _HEAD.unpack(packed[: _HEAD.size])
        return _Head(turn, tail, low, new, tokens, Board(Mode(mode), *others))

    def _head(self) -> _Head:
        if self._read_head is None:
            self._read_head = self._newest()
        if self._read_head is None:
            raise OSError(errno.EIO, "The head of the line is not readable")
        return self._read_head

    def _write_head(self, head: _Head) -> None:
        head.turn += 1
        packed = _HEAD.pack(head.turn, head.tail, head.low, head.new, head.tokens) + _BOARD.pack(
            *astuple(head.board)
        )
        self._write(_HEADS[head.turn % 2], packed + _SUM.pack(zlib.crc32(packed)))

    def board(self) -> Board:
        with self._locked():
            return self._head().board

    @contextmanager
    def together(self) -> Iterator[None]:
        with self._locked():
            yield

    @contextmanager
    def turn(self, patience: float = 0.0) -> Iterator[bool]:
        with self._locked():
            yield True

    def write_board(self, board: Board) -> None:
        with self._locked():
            head = self._head()
            head.board = board
            self._write_head(head)

    def earn(self, more: float, most: float) -> None:
        with self._locked():
            head = self._head()
            head.tokens = min(head.tokens + more, most)
            self._write_head(head)

    def spend(self) -> bool:
        with self._locked():
            head = self._head()
            if head.tokens < 1:
                return False
            head.tokens -= 1
            self._write_head(head)
            return True

    # What processes are at ---------------------------------------------------------------------------------

    def report(self, totals: Totals, at: float) -> None:
        """Under the number of the process: others see whether it lives."""
        pid = os.getpid()
        with self._locked():
            free = -1
            for index in range(PROCESSES):
                where = _REPORTS + index * _REPORT.size
                its = _REPORT.unpack(self._read(where, _REPORT.size))[0]
                if its == pid:
                    free = index
                    break
                if free < 0 and (not its or not _lives(its)):
                    free = index
                if not its:
                    break
            if free < 0:
                return
            self._write(
                _REPORTS + free * _REPORT.size,
                _REPORT.pack(
                    pid,
                    totals.in_progress,
                    totals.progress,
                    at,
                    totals.lay,
                    totals.taken,
                    totals.arrivals,
                    totals.cpu,
                    totals.logins,
                    totals.served,
                    totals.cores,
                    0,
                ),
            )

    def totals(self, now: float) -> Totals:
        with self._locked():
            packed = self._read(_REPORTS, PROCESSES * _REPORT.size)
        found = []
        for its in _REPORT.iter_unpack(packed):
            if not its[0]:
                break
            if _lives(its[0]):
                found.append(its)
        return Totals(
            cores=max((its[10] for its in found), default=1),
            in_progress=sum(its[1] for its in found),
            progress=sum(its[2] + its[1] * max(0.0, now - its[3]) for its in found),
            lay=sum(its[4] for its in found),
            taken=sum(its[5] for its in found),
            arrivals=sum(its[6] for its in found),
            cpu=sum(its[7] for its in found),
            logins=sum(its[8] for its in found),
            served=sum(its[9] for its in found),
        )

    # Places ------------------------------------------------------------------------------------------------

    def take(self, now: float) -> int | None:
        with self._locked():
            head = self._head()
            low = self._first(head) or head.tail
            if head.tail - min(low, head.new) >= PLACES - 8:
                return None
            number, head.tail, head.low = head.tail, head.tail + 1, low
            self._write_place(number, State.GIVEN, now)
            self._write_head(head)
            return number

    def visit(self, number: int, now: float) -> tuple[State, int]:
        with self._locked():
            state = self._visit(number, now)
            return state, self._count(self._head().low, number) + 1 if state is State.WAITING else 0

    def arrive(self, now: float) -> tuple[int | None, int]:
        with self._locked():
            waiting = self.waiting()
            if not waiting and self._new(self._head(), now) is None and self.spend():
                return 0, 0
            return self.take(now), waiting + 1

    def _visit(self, number: int, now: float) -> State:
        with self._locked():
            head = self._head()
            if not 0 < number < head.tail or head.tail - number >= PLACES - 8:
                return State.GONE
            state, seen = self._place(number)
            if state is State.ENTERED:
                # Who did not get the answer asks again, for a while: it is the same seat.
                return state if now - seen <= 60 * line.INSIDE_MINUTES else State.GONE
            if state is State.CALLED and now - seen <= 60 * line.INSIDE_MINUTES:
                self._write_place(number, State.ENTERED, now)
                return State.CALLED
            self._write_place(number, State.WAITING, now)
            self._mark(number, waits=True)
            if number < head.low:
                head.low = number
                self._write_head(head)
            return State.WAITING

    def waiting(self) -> int:
        with self._locked():
            head = self._head()
            return self._count(head.low, head.tail)

    def call_next(self, now: float) -> bool:
        with self._locked():
            head = self._head()
            new = self._new(head, now)
            while (number := self._first(head)) is not None and (new is None or number < new):
                state, seen = self._place(number)
                self._mark(number, waits=False)
                head.low = number
                if state is State.WAITING and now - seen <= line.PATIENCE:
                    # Before the head: killed in between, it is called and its mark is gone.
                    self._write_place(number, State.CALLED, now)
                    self._write_head(head)
                    return True
                if state is State.WAITING:
                    self._write_place(number, State.GIVEN, 0.0)
            head.low = head.tail if number is None else number
            if new is not None:
                self._write_place(new, State.CALLED, now)
            self._write_head(head)
            return new is not None

    def _new(self, head: _Head, now: float) -> int | None:
        """The smallest number that was given just now and did not come back yet."""
        while head.new < head.tail:
            state, given = self._place(head.new)
            if state is State.GIVEN and 0 <= now - given <= line.PATIENCE_NEW:
                return head.new
            head.new += 1
        return None

    def _place(self, number: int) -> tuple[State, float]:
        at = _PLACES + (number % PLACES) * _PLACE.size
        seen, turn, state, _ = _PLACE.unpack(self._read(at, _PLACE.size))
        if turn != (number // PLACES) & 0xFFFF:
            return State.GIVEN, 0.0
        return State(state), self._born + seen / 10

    def _write_place(self, number: int, state: State, seen: float) -> None:
        at = _PLACES + (number % PLACES) * _PLACE.size
        # In tenths of a second: thirteen years.
        since = min(max(0, int(10 * (seen - self._born))), 0xFFFFFFFF)
        self._write(at, _PLACE.pack(since, (number // PLACES) & 0xFFFF, state, 0))

    def _mark(self, number: int, *, waits: bool) -> None:
        byte, bit = divmod(number % PLACES, 8)
        before = self._read(_WAITS + byte, 1)[0]
        after = before | 1 << bit if waits else before & ~(1 << bit)
        if after != before:
            self._write(_WAITS + byte, bytes([after]))

    def _marks(self, low: int, high: int) -> Iterator[tuple[int, int]]:
        """The marks of the numbers from `low` to before `high`, by pieces of the ring: (first, bits)."""
        while low < high:
            start = low % PLACES
            count = min(high - low, PLACES - start)
            first, last = start // 8, (start + count + 7) // 8
            bits = int.from_bytes(self._read(_WAITS + first, last - first), "little")
            yield low, (bits >> (start - 8 * first)) & ((1 << count) - 1)
            low += count

    def _count(self, low: int, high: int) -> int:
        return sum(bits.bit_count() for _, bits in self._marks(low, high))

    def _first(self, head: _Head) -> int | None:
        for low, bits in self._marks(head.low, head.tail):
            if bits:
                return low + (bits & -bits).bit_length() - 1
        return None

    # Seats -------------------------------------------------------------------------------------------------

    def sit(self, seat: str, minute: int) -> bool:
        with self._locked():
            where, (_, account, last, _) = self._seat(seat, minute)
            if account:
                return False
            if where and last != minute:
                if last:
                    self._add(last, -1)
                self._add(minute, 1)
                self._write(where, _SEAT.pack(int(seat, 16), 0, minute, 0))
            return True

    def bind(self, seat: str, account: str, minute: int) -> bool:
        with self._locked():
            where, (_, bound, last, _) = self._seat(seat, minute)
            if bound:
                return bound == int(account, 16)
            if where:
                if last:
                    self._add(last, -1)
                self._write(where, _SEAT.pack(int(seat, 16), int(account, 16), minute, 0))
            return True

    def inside(self, minute: int) -> int:
        with self._locked():
            packed = self._read(_COUNTS, _COUNTED * _MINUTES.size)
        counts = _MINUTES.iter_unpack(packed)
        return sum(count for its, count in counts if minute - line.INSIDE_MINUTES < its <= minute)

    def _seat(self, seat: str, minute: int) -> tuple[int, tuple[int, int, int, int]]:
        """Where a seat is written, or may be (0: nowhere, all are taken), and what stands there of it."""
        key = int(seat, 16)
        free = 0
        for probe in range(PROBES):
            where = _SEATS + (key + probe) % SEATS * _SEAT.size
            its, account, last, _ = _SEAT.unpack(self._read(where, _SEAT.size))
            over = minute - last > SEAT_KEPT
            if its == key and not over:
                return where, (its, account, last, 0)
            if not free and over:
                free = where
            if not its:
                break
        return free, (key, 0, 0, 0)

    def _add(self, minute: int, more: int) -> None:
        where = _COUNTS + minute % _COUNTED * _MINUTES.size
        its, count = _MINUTES.unpack(self._read(where, _MINUTES.size))
        if its != minute:
            if more < 0:
                return
            count = 0
        self._write(where, _MINUTES.pack(minute, max(0, count + more)))

    # Moments -----------------------------------------------------------------------------------------------

    def moments(self) -> str:
        with self._locked():
            size, checksum = struct.unpack("<II", self._read(_MOMENTS, 8))
            packed = self._read(_MOMENTS + 8, min(size, _MOMENTS_SIZE - 8))
        return packed.decode() if size and zlib.crc32(packed) == checksum else ""

    def write_moments(self, text: str) -> None:
        packed = text.encode()
        if len(packed) > _MOMENTS_SIZE - 8:
            raise Trouble("Too many moments for the file")
        with self._locked():
            self._write(_MOMENTS, struct.pack("<II", len(packed), zlib.crc32(packed)) + packed)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


if len(fields(Board)) != len(_BOARD.unpack(bytes(_BOARD.size))):  # pragma: no cover - a mistake of the hand
    raise AssertionError("The file's form and the board's differ")
