"""Real processes that join, book and hear a bank at the same moment, on the database of the suite."""

from typing import Any

import pytest

from tests.billing.payments.joining_race import PAIRS
from tests.processes import TURNS, once, result_of


@pytest.fixture(scope="module", params=TURNS)
def race(
    request: pytest.FixtureRequest, installed: str, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("race")
    return once(
        f"joining-race-{request.param}",
        tmp_path_factory,
        lambda: result_of("tests.billing.payments.joining_race", installed=installed, folder=folder),
    )


def test_who_books_while_households_are_joined_books_in_one_of_them_or_is_refused(race):
    """Either the days came first and are joined with the others, or a sentence says nothing was booked."""
    found = race["bookings"]
    assert set(found["errors"]) <= {"BookingRefused"}
    assert (found["joined"], found["left"]) == (PAIRS, 0)


def test_what_a_bank_says_meanwhile_is_heard_once_and_for_the_household_that_stays(race):
    found = race["bank"]
    assert found["errors"] == {}
    assert found["joined"] == PAIRS
    assert (found["payments"], found["at the kept"], found["at the emptied"]) == (2 * PAIRS, 2 * PAIRS, 0)
    assert (found["left"], found["allocated"], found["elsewhere"]) == ("0.00", f"{40 * PAIRS}.00", 0)
