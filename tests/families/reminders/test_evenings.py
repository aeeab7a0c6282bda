"""When a reminder may leave: in the evening, the next day where the evening was missed, never at night."""

from datetime import date

import pytest

from families.reminders.evenings import Evening
from tests.factories import paris


@pytest.mark.parametrize(
    ("hour", "done", "may"),
    [
        (0, False, False),
        (6, False, False),
        (7, False, True),
        (7, True, False),
        (17, False, True),
        (17, True, False),
        (18, False, True),
        (18, True, True),
        (20, True, True),
        (21, False, False),
        (23, False, False),
    ],
)
def test_an_evening_is_open_from_18_to_21_and_caught_up_by_day(hour, done, may):
    assert Evening(paris(2026, 11, 9, hour)).is_open(done=done) is may


def test_before_18_the_last_evening_still_counts():
    assert Evening(paris(2026, 11, 9, 17, 59)).day == date(2026, 11, 8)
    assert Evening(paris(2026, 11, 9, 18)).day == date(2026, 11, 9)


def test_what_ends_before_the_next_evening_is_over_is_urgent():
    assert Evening(paris(2026, 11, 9, 18)).before == paris(2026, 11, 10, 21)
    assert Evening(paris(2026, 11, 10, 8)).before == paris(2026, 11, 10, 21)


def test_the_day_the_clocks_change_has_its_evening():
    assert Evening(paris(2026, 10, 25, 18)).is_open(done=False)
    assert Evening(paris(2026, 10, 25, 18)).before == paris(2026, 10, 26, 21)
