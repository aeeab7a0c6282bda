"""Real processes that confirm, ask and leave at the same moment, on whatever database the suite runs on."""

from typing import Any

import pytest

from tests.families.custody.race import MANY
from tests.processes import TURNS, once, result_of


@pytest.fixture(scope="module", params=TURNS)
def race(
    request: pytest.FixtureRequest, installed: str, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("race")
    return once(
        f"openings-race-{request.param}",
        tmp_path_factory,
        lambda: result_of("tests.families.custody.race", installed=installed, folder=folder),
    )


def test_of_several_answers_at_once_one_counts_and_the_others_read_that_it_was_given(race):
    found = race["confirmations"]
    assert found["errors"] == {"AlreadyAnswered": MANY}
    assert found["agrees"] and found["answered"]


def test_of_several_invitations_at_once_one_waits_and_makes_one_login(race):
    found = race["askings"]
    assert found["errors"] == {"OpeningRefused": MANY - 1}
    assert (found["waiting"], found["logins"]) == (1, 1)


def test_who_records_days_while_the_custody_ends_keeps_none(race):
    """Either the days came first and are handed over or cancelled with the others, or they are refused."""
    found = race["departures"]
    assert set(found["errors"]) <= {"BookingRefused"}
    assert (found["left"], found["ended"]) == (0, MANY)
