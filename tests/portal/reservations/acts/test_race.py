"""Real processes on the same places at the same moment, on whatever database the suite runs on."""

from typing import Any

import pytest

from tests.portal.reservations.race import FAMILIES, PLACES
from tests.processes import TURNS, once, result_of


@pytest.fixture(scope="module", params=TURNS)
def race(
    request: pytest.FixtureRequest, installed: str, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("race")
    return once(
        f"race-{request.param}",
        tmp_path_factory,
        lambda: result_of("tests.portal.reservations.race", installed=installed, folder=folder),
    )


def test_the_last_places_go_to_as_many_families_and_the_others_wait(race):
    found = race["last_places"]
    assert found["errors"] == []
    assert (found["accepted"], found["waiting"]) == (PLACES, FAMILIES - PLACES)
    assert found["taken"] == [PLACES] * 3
    assert found["letters"] == FAMILIES
    # Those who got a place all give it up at once: as many of those who wait come in, first come first.
    assert (found["cancelled"], found["promoted_in_order"]) == (PLACES, True)
    assert found["taken_after"] == [PLACES] * 3


def test_the_morning_and_the_whole_day_share_the_same_places(race):
    found = race["shared_places"]
    assert found["errors"] == []
    assert found["mornings"] + found["days"] == PLACES
    assert found["waiting"] == FAMILIES - PLACES
    assert found["taken"] == {"morning": PLACES, "noon": found["days"], "afternoon": found["days"]}


def test_places_beyond_the_capacity_are_counted_beside_the_last_one(race):
    """All whom the town hall helps come in; of the others at most one, and never in a place beyond."""
    found = race["forcing"]
    assert found["errors"] == []
    assert found["helped"] == 4
    assert found["alone"] <= 1
    assert (found["taken"], found["taken"] - found["forced"]) == (4 + found["alone"], 1)


def test_a_formula_is_changed_once_where_there_is_room_and_kept_where_there_is_none(race):
    found = race["changing"]
    assert found["errors"] == []
    assert (found["days"], found["numbers"]) == (PLACES, PLACES)
    assert found["children"] == found["homes"] == found["mornings"] + found["days"]
    assert found["taken"] == {"morning": found["homes"], "noon": PLACES, "afternoon": PLACES}


def test_a_day_that_closes_among_them_keeps_nobody_and_reopens_once(race):
    """Who was quicker is cancelled, who was slower is refused: nobody is left on a closed day."""
    found = race["closing"]
    assert found["errors"] == []
    assert (found["first"], found["second"]) == (found["homes"], 0)
    assert found["back"] == found["cancelled"]
    assert found["twice"] == ["BookingRefused: Ces jours ont déjà été rouverts."]


def test_days_that_move_and_families_that_book_share_the_last_places(race):
    found = race["moving_in"]
    assert found["errors"] == []
    assert (found["old"], found["new"]) == (0, PLACES)
    assert found["followed"] + found["left"] == found["movers"]


def test_a_day_that_opens_again_among_moves_and_ends_comes_back_to_nobody_elsewhere(race):
    found = race["reopening"]
    assert (found["errors"], found["lost"]) == ([], [])
    assert found["stay"] == FAMILIES // 8


def test_no_day_after_the_end_is_booked_whoever_comes_first(race):
    found = race["ending"]
    assert found["errors"] == []
    assert (found["first_day"], found["days_after"], found["ended"]) == (found["homes"], 0, found["homes"])


def test_crossing_paths_neither_lock_up_nor_count_wrong(race):
    found = race["crossing"]
    assert found["errors"] == []
    assert found["bookings"] > 100


def test_an_offer_is_taken_once_at_its_last_second_or_goes_to_the_next_one(race):
    found = race["offering"]
    assert found["errors"] == []
    assert (found["offered"], found["answered"], found["both"]) == (20, 20, 0)
    assert found["taken"] == [1]


def test_lots_and_families_share_the_last_places_and_a_lot_goes_back_once(race):
    found = race["lots"]
    assert found["errors"] == ["exit code 9"] * 2
    assert (found["waits"], found["accepted"], found["twice"]) == (0, [PLACES] * 2, 0)
    assert found["more"] == ["BookingRefused: Ce lot a déjà été annulé."] * 2
    assert (found["unanswered"], found["left"]) == (0, 0)
