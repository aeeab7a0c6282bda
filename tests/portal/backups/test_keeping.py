"""Which backups are kept, and that what is kept of a folder is only ours."""

from datetime import UTC, timedelta
from zoneinfo import ZoneInfo

import pytest

from portal.backups import keeping
from portal.backups.sizes import said
from tests.factories import paris

PARIS = ZoneInfo("Europe/Paris")
NIGHT = paris(2026, 11, 30, 2)


def kept(moments, days, weeks):
    return sorted(keeping.worth_keeping(moments, days=days, weeks=weeks, zone=PARIS))


def test_each_night_for_a_week_then_the_last_of_each_week():
    nights = [NIGHT - timedelta(days=back) for back in range(60)]
    found = kept(nights, 7, 4)
    last_days, sundays = nights[:7], [paris(2026, 11, day, 2) for day in (15, 22, 29)]
    assert found == sorted({*last_days, *sundays})


def test_of_a_day_the_newest_counts_by_the_town_s_clock():
    evening, after_midnight = paris(2026, 11, 9, 23, 30), paris(2026, 11, 10, 0, 30)
    assert evening.astimezone(UTC).date() == after_midnight.astimezone(UTC).date()
    assert kept([paris(2026, 11, 9, 2), evening, after_midnight], 2, 0) == [evening, after_midnight]


@pytest.mark.parametrize(("days", "weeks"), [(0, 0), (1, 0), (0, 1)])
def test_the_newest_of_all_stays_whatever_is_asked(days, weeks):
    assert kept([NIGHT - timedelta(days=1), NIGHT], days, weeks) == [NIGHT]


def test_a_timer_that_stood_still_costs_no_older_backup():
    old = [NIGHT - timedelta(days=300 + back) for back in range(3)]
    assert kept(old, 7, 4) == sorted(old)


def test_nothing_else_of_the_folder_is_touched(tmp_path):
    ours = keeping.path_of(tmp_path, NIGHT - timedelta(days=2), encrypted=True)
    newer = keeping.path_of(tmp_path, NIGHT, encrypted=False)
    others = [tmp_path / name for name in ("notes.txt", "portail-old.tar", f"{newer.name}.copy")]
    for path in (ours, newer, *others):
        path.write_text("x")
    gone = keeping.tidy(tmp_path, days=1, weeks=0, zone=PARIS)
    assert [one.path for one in gone] == [ours]
    assert sorted(tmp_path.iterdir()) == sorted([newer, *others])


def test_what_an_interrupted_one_left_is_taken_away(tmp_path):
    left = tmp_path / f".portail-2026-11-29-010000Z.tar{keeping.PARTIAL}"
    left.write_text("half")
    with keeping.alone(tmp_path):
        assert not left.exists()


@pytest.mark.parametrize(
    ("size", "words"),
    [(0, "0 octets"), (999, "999 octets"), (1500, "1,5 ko"), (553_037, "553 ko"), (10**13, "10000 Go")],
)
def test_sizes_as_one_says_them(size, words):
    assert said(size) == words
