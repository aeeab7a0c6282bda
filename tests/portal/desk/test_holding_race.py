"""At the last moment a decision is taken back or final, never both and never neither."""

from typing import Any

import pytest

from tests.portal.desk.holding_race import MANY
from tests.processes import TURNS, once, result_of


@pytest.fixture(scope="module", params=TURNS)
def race(
    request: pytest.FixtureRequest, installed: str, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("race")
    return once(
        f"holding-race-{request.param}",
        tmp_path_factory,
        lambda: result_of("tests.portal.desk.holding_race", installed=installed, folder=folder),
    )


def test_taken_back_or_final_and_told_once(race):
    found = race["moments"]
    assert set(found["errors"]) <= {"TooLate"}
    late = found["errors"].get("TooLate", 0)
    assert (found["accepted"], found["waits"], found["held"]) == (late, MANY - late, 0)
    assert found["told"] == late


def test_of_many_agents_at_once_one_has_decided(race):
    found = race["agents"]
    assert (found["errors"], found["held"]) == ({"AlreadyHeld": MANY - 1}, 1)
