"""When the room opens and closes, how fast families come in, what who waits is told."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.french.amounts import NBSP
from portal.waiting import line, page
from portal.waiting.line import Board, Mode, Totals
from tests.portal.waiting.machine import Machine

T0 = 1_800_000_000.0
STEP = 0.25


class Town:
    """Processes whose load is said, looked at four times a second."""

    def __init__(self, cores: int = 2, board: Board | None = None) -> None:
        self.now = T0
        self.totals = Totals(cores=cores)
        self.board = line.look(board or Board(), self.totals, now=self.now, waiting=0, expected=False)

    def live(
        self,
        seconds: float,
        *,
        busy: float = 0.0,
        lay: float = 0.0,
        coming: float = 0.0,
        waiting: int = 0,
        expected: bool = False,
    ) -> Board:
        for _ in range(round(seconds / STEP)):
            self.now += STEP
            old = self.totals
            self.totals = replace(
                old,
                progress=old.progress + busy * STEP,
                lay=old.lay + lay * 4,
                taken=old.taken + 4,
                arrivals=round(4 * (self.now - T0) * coming) if coming else old.arrivals,
            )
            self.board = line.look(self.board, self.totals, now=self.now, waiting=waiting, expected=expected)
        return self.board


def test_a_quiet_day_never_opens_it() -> None:
    assert not Town().live(60, busy=1.0, coming=0.1).open


def test_a_rush_opens_it_by_itself_and_calm_closes_it_a_minute_later() -> None:
    town = Town()
    assert town.live(10, busy=12.0, coming=5.0).open
    assert town.live(50, busy=0.5).open
    assert not town.live(30, busy=0.5).open


def test_requests_that_lie_long_open_it_where_few_threads_are_in_progress() -> None:
    assert Town(cores=8).live(10, busy=4.0, lay=0.8, coming=5.0).open


def test_long_exports_of_the_desk_open_nothing_while_no_family_comes() -> None:
    assert not Town().live(120, busy=12.0, lay=1.0).open


def test_it_stays_open_as_long_as_somebody_waits() -> None:
    town = Town()
    town.live(10, busy=12.0, coming=5.0)
    assert town.live(300, busy=0.1, waiting=1).open


def test_it_opens_beforehand_where_many_are_expected_and_closes_after_the_calm() -> None:
    town = Town()
    assert town.live(1, expected=True).open
    assert not town.live(70).open


@pytest.mark.parametrize(("mode", "open_"), [(Mode.OPEN, True), (Mode.CLOSED, False)])
def test_what_the_desk_says_counts_more_than_any_load(mode: Mode, open_: bool) -> None:
    town = Town(board=Board(mode=mode))
    assert town.live(30, busy=12.0, coming=5.0, expected=True).open is open_
    assert town.live(300).open is open_


def test_the_pace_falls_where_the_machine_is_strained_and_grows_while_it_is_at_ease() -> None:
    town = Town()
    first = town.live(10, coming=5.0, waiting=50, expected=True).pace
    lower = town.live(10, busy=12.0, waiting=50).pace
    assert lower < first / 2
    assert town.live(90, busy=1.0, waiting=50).pace > first / 2


@pytest.mark.parametrize(
    "machine",
    [
        Machine(),
        Machine(thinking=8.0),  # as somebody who reads
        Machine(cores=8, threads=48),
        Machine(others=0.8),
        Machine(web=0.4, beside=0.1),
    ],
    ids=["usual", "slow readers", "large", "busy with something else", "slow"],
)
def test_a_rush_is_served_nearly_as_fast_as_the_machine_can_and_who_is_inside_waits_for_nothing(
    machine: Machine,
) -> None:
    machine.run(150)
    served, answers = machine.served, len(machine.late)
    machine.run(150)
    assert (machine.served - served) / 150 > 0.75 * machine.capacity
    late = sorted(machine.late[answers:])
    assert late[int(0.95 * len(late))] < 1.0
    # Nor while it was finding out.
    late = sorted(machine.late[:answers])
    assert late[int(0.95 * len(late))] < 2.0


def test_the_desks_pace_counts_whatever_is_measured() -> None:
    town = Town(board=Board(mode=Mode.OPEN, wanted_pace=2.5))
    assert town.live(30, busy=20.0, waiting=50).pace == 2.5


def test_no_more_come_in_than_the_processors_can_serve_by_what_the_last_families_cost() -> None:
    board = Board(open=True, cores=2, spent_cpu=50.0, spent_logins=100, spent_served=1300)
    assert line.fastest(board) == pytest.approx(2 * line.SHARE_OF_CORES / 0.5)
    # Who has just logged in has not asked for the rest yet.
    begun = Board(open=True, cores=2, spent_cpu=10.0, spent_logins=100, spent_served=200)
    assert line.cost(begun) == pytest.approx(line.VISIT_REQUESTS * 10.0 / 200)


def test_a_process_that_ended_takes_its_sums_along_and_nothing_is_negative() -> None:
    town = Town()
    town.live(10, busy=2.0, coming=2.0)
    town.totals = Totals(cores=2)
    board = town.live(STEP)
    assert (board.busy >= 0, board.coming >= 0, board.lay >= 0) == (True, True, True)


def test_a_pace_counts_whole_where_nobody_asks_for_some_seconds() -> None:
    assert line.earned(Board(open=True, pace=0.1, looked_at=T0), T0 + 10) == pytest.approx(1.0)


def test_a_clock_that_was_set_back_lets_nobody_in_and_looks_anew() -> None:
    board = Board(open=True, pace=5.0, looked_at=T0)
    assert line.earned(board, T0 - 3600) == 0.0
    assert line.look(board, Totals(), now=T0 - 3600, waiting=3, expected=False).open


@given(rank=st.integers(1, 100_000), pace=st.floats(0.05, 500), number=st.integers(1, 100_000))
def test_who_waits_longer_asks_again_later_from_ten_to_sixty_seconds(rank: int, pace: float, number: int):
    again = [line.ask_again(line.wait(place, pace), number) for place in (1, rank, 100_001)]
    assert 10 <= min(again) <= max(again) <= line.LATEST
    earliest = [line.ask_again(line.wait(place, pace), 0) for place in (1, rank, rank + 1)]
    assert earliest == sorted(earliest)


def test_at_the_front_one_asks_again_in_ten_seconds_and_at_the_end_in_up_to_sixty() -> None:
    assert {line.ask_again(line.wait(1, 8.0), number) for number in range(50)} == {10, 11, 12, 13, 14}
    assert {line.ask_again(line.wait(5_000, 8.0), number) for number in range(50)} == set(range(43, 61))


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (5, "moins d'une minute"),
        (60, "environ 1 minute"),
        (235, "environ 4 minutes"),
        (13 * 60, "environ 15 minutes"),
        (58.5 * 60, "environ 1 h"),
        (4_150, "environ 1 h 10"),
        (7_200, "environ 2 h"),
    ],
)
def test_how_long_is_said_about(seconds: float, said: str) -> None:
    assert page.about(seconds).replace(NBSP, " ") == said
