"""What is shared of the line, in a file and in Redis alike; what a file survives."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from portal.waiting.line import Board, Mode, Totals
from portal.waiting.shared_file import SIZE, SharedFile
from portal.waiting.shared_redis import SharedRedis
from portal.waiting.store import State, Store, Trouble
from tests import ROOT
from tests.portal.waiting.conftest import T0

SEAT, OTHER = "00000000000000aa", "00000000000000bb"
MINUTE = int(T0 // 60)


def line_of(store: Store, count: int, *, at: float = T0) -> list[int]:
    """So many who wait, in their order."""
    numbers = [store.take() or 0 for _ in range(count)]
    for number in numbers:
        assert store.visit(number, at) is State.WAITING
    return numbers


def test_a_board_comes_back_as_it_was_written(store: Store) -> None:
    board = Board(mode=Mode.OPEN, open=True, pace=4.5, opened_at=T0, taken_sum=7, cores=2)
    with store.turn() as mine:
        assert mine
        store.write_board(board)
    assert store.board() == board


def test_the_smallest_number_is_called_first_and_comes_in_once(store: Store) -> None:
    first, second, third = line_of(store, 3)
    assert (store.rank(first), store.rank(third), store.waiting()) == (1, 3, 3)
    assert store.call_next(T0, 150)
    assert store.visit(second, T0) is State.WAITING
    assert store.visit(first, T0) is State.CALLED
    # The answer was lost on its way: the same seat, for a while.
    assert store.visit(first, T0 + 30) is State.ENTERED
    assert store.visit(first, T0 + 3600) is State.GONE
    assert (store.rank(third), store.waiting()) == (2, 2)


def test_who_lost_the_network_is_passed_over_and_comes_first_once_back(store: Store) -> None:
    gone, here = line_of(store, 2)
    store.visit(here, T0 + 200)
    assert store.call_next(T0 + 200, 150)
    assert store.visit(here, T0 + 200) is State.CALLED
    later = store.take() or 0
    store.visit(later, T0 + 210)
    assert store.visit(gone, T0 + 220) is State.WAITING
    assert (store.rank(gone), store.rank(later)) == (1, 2)


def test_who_was_called_and_came_much_later_is_at_the_front_again(store: Store) -> None:
    first, second = line_of(store, 2)
    store.call_next(T0, 150)
    assert store.visit(first, T0 + 3600) is State.WAITING
    assert (store.rank(first), store.rank(second)) == (1, 2)


def test_a_number_that_was_never_given_is_no_place(store: Store) -> None:
    (last,) = line_of(store, 1)
    assert [store.visit(number, T0) for number in (0, last + 1, 10**12)] == [State.GONE] * 3


def test_nobody_is_called_where_nobody_waits(store: Store) -> None:
    store.take()
    assert not store.call_next(T0, 150)


def test_no_more_come_in_than_were_earned(store: Store) -> None:
    store.earn(2.5, 10)
    assert [store.spend() for _ in range(3)] == [True, True, False]
    store.earn(100, 3)
    assert [store.spend() for _ in range(4)] == [True, True, True, False]


def test_a_seat_lets_one_account_in(store: Store) -> None:
    assert store.sit(SEAT, MINUTE)
    assert store.bind(SEAT, "01", MINUTE)
    assert store.bind(SEAT, "01", MINUTE + 1)
    assert not store.bind(SEAT, "02", MINUTE + 1)
    assert not store.sit(SEAT, MINUTE + 2)
    assert store.bind(OTHER, "02", MINUTE)


def test_who_was_there_in_the_last_ten_minutes_is_inside_once(store: Store) -> None:
    for minute in (MINUTE, MINUTE + 3, MINUTE + 3):
        store.sit(SEAT, minute)
    store.sit(OTHER, MINUTE)
    assert store.inside(MINUTE + 3) == 2
    assert store.inside(MINUTE + 11) == 1
    assert store.inside(MINUTE + 30) == 0


def test_moments_come_back_as_they_were_written(store: Store) -> None:
    assert store.moments() == ""
    store.write_moments('{"é": 1}')
    assert store.moments() == '{"é": 1}'


def test_the_requests_of_a_process_grow_older_while_it_says_nothing(store: Store) -> None:
    store.report(Totals(cores=2, in_progress=3, progress=10.0, taken=5), T0)
    found = store.totals(T0 + 4)
    assert (found.cores, found.in_progress, found.progress, found.taken) == (2, 3, 22.0, 5)


# A file --------------------------------------------------------------------------------------------------

WORK = """
import sys
from portal.waiting.shared_file import SharedFile
from pathlib import Path
store = SharedFile(Path(sys.argv[1]))
print("ready", flush=True)
for _ in range(int(sys.argv[2])):
    number = store.take()
    store.visit(number, {now})
    store.earn(1.0, 10.0)
    store.spend()
    if len(sys.argv) > 3:
        store.call_next({now}, 150)
    else:
        print(number)
"""


def process(path: Path, rounds: int, *calls: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", WORK.format(now=T0), str(path), str(rounds), *calls],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_processes_share_one_line_and_no_number_is_given_twice(line_file: Path) -> None:
    three = [process(line_file, 300) for _ in range(3)]
    numbers = [int(word) for one in three for word in one.communicate()[0].split()[1:]]
    assert sorted(numbers) == list(range(1, 901))
    assert SharedFile(line_file).waiting() == 900


def test_a_process_killed_in_the_middle_leaves_a_line_that_goes_on(line_file: Path) -> None:
    for _ in range(3):
        victim = process(line_file, 10**9, "calls")
        assert victim.stdout is not None
        assert victim.stdout.readline() == "ready\n"
        store = SharedFile(line_file)
        waited_for = store.take() or 0
        while (store.take() or 0) < waited_for + 40:
            pass
        victim.send_signal(signal.SIGKILL)
        victim.wait()
        victim.stdout.close()
        before = store.take() or 0
        (number,) = line_of(store, 1)
        assert number == before + 1
        while store.call_next(T0, 150):
            pass
        assert (store.visit(number, T0), store.waiting()) == (State.CALLED, 0)


def test_what_a_killed_process_was_at_counts_no_more(line_file: Path) -> None:
    store = SharedFile(line_file)
    code = (
        "from portal.waiting.shared_file import SharedFile; from pathlib import Path; import sys;"
        "from portal.waiting.line import Totals;"
        f"SharedFile(Path(sys.argv[1])).report(Totals(in_progress=4), {T0}); sys.stdin.read()"
    )
    other = subprocess.Popen([sys.executable, "-c", code, str(line_file)], cwd=ROOT, stdin=subprocess.PIPE)
    while not store.totals(T0).in_progress:
        assert other.poll() is None
    other.kill()
    other.wait()
    assert other.stdin is not None
    other.stdin.close()
    assert store.totals(T0).in_progress == 0


def test_a_head_written_by_halves_is_passed_over_for_the_one_before(line_file: Path) -> None:
    store = SharedFile(line_file)
    store.take()
    kept = store.take()
    raw = bytearray(line_file.read_bytes())
    # The newest of the two is torn.
    newest = max((64, 576), key=lambda where: int.from_bytes(raw[where : where + 8], "little"))
    raw[newest + 20] ^= 0xFF
    line_file.write_bytes(raw)
    assert SharedFile(line_file).take() == kept


@pytest.mark.parametrize("content", [b"", b"not a line", b"\0" * SIZE, os.urandom(4096)])
def test_a_file_that_is_no_line_becomes_one(line_file: Path, content: bytes) -> None:
    line_file.write_bytes(content)
    assert line_of(SharedFile(line_file), 2) == [1, 2]


def test_a_file_that_is_removed_or_cut_while_it_serves_is_made_anew(line_file: Path) -> None:
    store, other = SharedFile(line_file), SharedFile(line_file)
    before = store.generation
    line_of(store, 3)
    line_file.unlink()
    assert line_of(store, 1) == [1]
    assert (other.waiting(), other.generation != before) == (1, True)
    os.truncate(line_file, 100)
    assert line_of(store, 1) == [1]


def test_the_file_is_closed_to_the_machines_other_users(line_file: Path) -> None:
    SharedFile(line_file).take()
    assert line_file.stat().st_mode & 0o777 == 0o600


def test_a_lock_that_somebody_keeps_is_trouble_and_no_wait_without_end(line_file: Path) -> None:
    one, other = SharedFile(line_file), SharedFile(line_file)
    with one.together(), pytest.raises(Trouble):
        other.take()


@pytest.mark.parametrize("where", ["a folder", "nowhere"])
def test_a_place_where_no_file_can_be_is_trouble(tmp_path: Path, where: str) -> None:
    path = tmp_path / "there"
    if where == "a folder":
        path.mkdir()
    else:
        path.write_text("a file")
        path = path / "line"
    with pytest.raises(Trouble):
        SharedFile(path).take()


def test_a_redis_that_is_not_there_is_trouble() -> None:
    with pytest.raises(Trouble):
        SharedRedis("redis://127.0.0.1:1/0", "nobody").take()


def test_two_servers_share_cores_and_one_turn() -> None:
    from tests.portal.waiting.conftest import REDIS

    one, other = (SharedRedis(REDIS, f"test-waiting-turn-{os.getpid()}") for _ in range(2))
    with one.turn() as mine, other.turn() as not_mine:
        assert (mine, not_mine) == (True, False)
    with other.turn() as mine:
        assert mine
