"""The order of arrival is kept, nobody jumps, no more come in than the pace."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given
from hypothesis import strategies as st

from portal.waiting import line
from portal.waiting.line import Mode
from portal.waiting.meter import Meter
from portal.waiting.room import ComesIn, Room, Waits
from portal.waiting.shared_file import SharedFile
from portal.waiting.store import Store
from tests.conftest import on_the_database
from tests.portal.waiting.conftest import T0

PACE = 2.0


def opened(store: Store, pace: float = PACE, at: float = T0) -> Room:
    """A room that the desk has opened, with its pace."""
    room = Room(store, Meter(), lambda text: f"{abs(hash(text)):016x}"[:16])
    room.direct(Mode.OPEN, pace, at)
    return room


@contextmanager
def a_file() -> Iterator[Store]:
    memory = "/dev/shm"  # noqa: S108 - no disk, for examples by the hundred
    with TemporaryDirectory(dir=memory if os.path.isdir(memory) else None) as folder:
        yield SharedFile(Path(folder) / "line")


class Families:
    """They come and ask again when they like; who has come in is written down with the moment."""

    def __init__(self, room: Room) -> None:
        self.room = room
        self.numbers: dict[int, int] = {}  # whose place
        self.entered: list[tuple[float, int]] = []

    def ask(self, who: int, now: float) -> None:
        if any(who == family for _, family in self.entered):
            return
        self.room.look(now)
        number = self.numbers.get(who)
        generation = self.room.store.generation
        came = self.room.arrive() if number is None else self.room.come_back(generation, number, now)
        if isinstance(came, ComesIn):
            self.entered.append((now, who))
        elif came.number is not None:
            self.numbers[who] = came.number


def test_who_comes_while_nobody_waits_comes_in_at_once_as_fast_as_the_pace(store: Store) -> None:
    room = opened(store)
    came = [room.arrive() for _ in range(4)]
    assert [isinstance(one, ComesIn) for one in came] == [True, True, False, False]


def test_somebody_called_twice_has_the_same_seat(store: Store) -> None:
    room = opened(store)
    for _ in range(2):
        room.arrive()
    waits = room.arrive()
    assert isinstance(waits, Waits)
    assert waits.number is not None
    room.come_back(store.generation, waits.number, T0)
    room.look(T0 + 1)
    seats = [room.come_back(store.generation, waits.number, T0 + after) for after in (2, 3)]
    assert seats[0] == seats[1]
    assert isinstance(seats[0], ComesIn)


def test_places_of_another_line_or_never_given_are_at_the_end(store: Store) -> None:
    room = opened(store)
    for _ in range(2):
        room.arrive()
    first = room.arrive()
    assert isinstance(first, Waits)
    assert first.number is not None
    room.come_back(store.generation, first.number, T0)
    for generation, number in (("f" * 16, 1), (store.generation, 10**9)):
        forged = room.come_back(generation, number, T0)
        assert isinstance(forged, Waits)
        assert forged.number is not None
        assert forged.number > first.number
        assert forged.rank == 2


def test_a_thousand_who_never_come_back_take_no_place_and_no_turn_from_who_does() -> None:
    with a_file() as store:
        room = opened(store)
        for _ in range(1_002):
            room.arrive()
        family = room.arrive()
        assert isinstance(family, Waits)
        assert family.number is not None
        assert family.rank == 1
        room.come_back(store.generation, family.number, T0 + 0.1)
        room.look(T0 + 1)
        assert isinstance(room.come_back(store.generation, family.number, T0 + 1), ComesIn)


def test_the_desk_sees_the_line(store: Store) -> None:
    room = opened(store)
    waits = [room.arrive() for _ in range(5)][2:]
    for one in waits:
        assert isinstance(one, Waits)
        assert one.number is not None
        room.come_back(store.generation, one.number, T0)
    store.sit("00000000000000aa", int(T0 // 60))
    found = room.standing(T0)
    assert (found.waiting, found.inside, found.board.pace, found.board.open) == (3, 1, PACE, True)


@on_the_database
@given(
    asks=st.lists(st.tuples(st.integers(0, 12), st.floats(0, 5)), min_size=1, max_size=120),
    pace=st.floats(0.3, 6),
)
def test_order_is_kept_nobody_jumps_and_no_more_come_in_than_the_pace(
    asks: list[tuple[int, float]], pace: float
) -> None:
    with a_file() as store:
        families = Families(opened(store, pace))
        now = T0
        for who, later in asks:
            now += later
            families.ask(who, now)
        for _ in range(60):  # those who are left ask on, each as its place says
            now += 5
            for who in sorted(families.numbers, key=lambda who: families.numbers[who]):
                families.ask(who, now)
        # Everybody who came has come in, and none twice.
        assert {who for _, who in families.entered} == {who for who, _ in asks}
        assert len(families.entered) == len({who for who, _ in asks})


@on_the_database
@given(pace=st.floats(0.3, 20), count=st.integers(1, 60), every=st.floats(0.3, 9.9))
def test_among_those_who_ask_steadily_the_first_to_arrive_is_the_first_inside(
    pace: float, count: int, every: float
) -> None:
    with a_file() as store:
        families = Families(opened(store, pace))
        for who in range(count):
            families.ask(who, T0)
        now = T0
        while len(families.entered) < count:
            now += every
            # The last to have come asks first: it does not help.
            for who in reversed(range(count)):
                families.ask(who, now)
        # Of two who came in, the earlier arrival was never later by more than one round of asking.
        moments = [at for at, _ in sorted(families.entered, key=lambda pair: pair[1])]
        assert moments == sorted(moments)


@on_the_database
@given(pace=st.floats(0.3, 20), seconds=st.integers(1, 40))
def test_in_no_time_do_more_come_in_than_the_pace_and_one_seconds_worth(pace: float, seconds: int) -> None:
    with a_file() as store:
        families = Families(opened(store, pace))
        count, now = 0, T0
        for _ in range(4 * seconds):
            now += 0.25
            for _ in range(8):
                families.ask(count, now)
                count += 1
            for who in list(families.numbers):
                families.ask(who, now)
        entered = [at for at, _ in families.entered]
        for start, at in enumerate(entered):
            within = sum(1 for other in entered[start:] if other - at <= 5.0)
            # Called in one look and come in by the next: a quarter of a second of grace.
            assert within <= pace * 5.5 + line.burst(pace) + 1
