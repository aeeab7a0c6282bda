"""Real processes on the same carts and the same account, on whatever database the suite runs on."""

from typing import Any

import pytest

from tests.billing.payments.cart_race import COVERED, DAYS
from tests.processes import TURNS, once, result_of


@pytest.fixture(scope="module", params=TURNS)
def race(
    request: pytest.FixtureRequest, installed: str, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("cart-race")
    return once(
        f"cart-race-{request.param}",
        tmp_path_factory,
        lambda: result_of("tests.billing.payments.cart_race", installed=installed, folder=folder),
    )


def test_a_cart_paid_while_it_ends_is_its_familys_or_the_next_ones(race):
    """The money is booked once; where nobody waits, the place is the payer's in either order."""
    found = race["last_second"]
    assert found["errors"] == []
    assert (found["both"], found["placed"]) == (0, DAYS)
    assert found["alone"] == DAYS // 2
    assert (found["paid"], found["money"]) == (0, DAYS)
    assert found["taken"] == [1]


def test_the_last_place_is_kept_for_one_cart(race):
    found = race["last_place"]
    assert (found["errors"], found["held"], found["carts"]) == ([], 1, 1)


def test_an_account_is_spent_once(race):
    found = race["spending"]
    assert (found["errors"], found["accepted"], found["left"]) == ([], COVERED, "0.00")


def test_the_till_and_a_change_of_the_household_never_wait_for_each_other(race):
    """Both hold the slots of a day and then the household: neither is thrown out of a circle."""
    found = race["till_and_changes"]
    assert found["errors"] == []
    assert (found["changed"], found["paid"], found["money"]) == (DAYS, DAYS, DAYS)
