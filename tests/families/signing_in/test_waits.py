"""How long the next try waits, and what that leaves to whoever guesses."""

from datetime import timedelta

import pytest

from families.signing_in.waits import ACCOUNT, NETWORK, PLACE, Limit, in_words

DAY = timedelta(days=1)


def guesses(limit: Limit, during: timedelta) -> int:
    """Wrong passwords that somebody gets in who never stops."""
    tried, at = 0, timedelta()
    windows = during // limit.window
    while at < limit.window:
        tried += 1
        at += limit.wait(tried)
    return tried * windows


@pytest.mark.parametrize(
    ("limit", "failures", "minutes"),
    [
        *((PLACE, failures, 0) for failures in (0, 1, 4)),
        (PLACE, 5, 5),
        (PLACE, 6, 10),
        (PLACE, 8, 40),
        (PLACE, 9, 60),
        (PLACE, 100_000, 60),
        (ACCOUNT, 19, 0),
        (ACCOUNT, 20, 0.5),
        (ACCOUNT, 25, 15),
        (NETWORK, 99, 0),
        (NETWORK, 104, 1),
    ],
)
def test_each_wrong_password_beyond_the_free_ones_doubles_the_wait(limit, failures: int, minutes: float):
    assert limit.wait(failures) == timedelta(minutes=minutes)


@pytest.mark.parametrize(("limit", "most"), [(PLACE, 52), (ACCOUNT, 121), (NETWORK, 3950)])
def test_whoever_never_stops_guessing_gets_no_further_than_the_docstring_says(limit, most: int):
    assert most * 0.95 <= guesses(limit, DAY) <= most


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.2, "1 seconde"),
        (29.5, "30 secondes"),
        (60, "1 minute"),
        (61, "2 minutes"),
        (300, "5 minutes"),
        (3600, "60 minutes"),
    ],
)
def test_the_wait_is_said_rounded_up(seconds: float, words: str):
    assert in_words(timedelta(seconds=seconds)) == words
