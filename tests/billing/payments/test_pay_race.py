"""Eight processes send the same notifications at once: each payment is credited exactly once."""

import pytest

from tests.processes import TURNS, result_of

NOTIFICATIONS, PROCESSES = 48, 8


@pytest.mark.parametrize("turn", TURNS)
def test_eight_at_once_credit_each_payment_once(installed, tmp_path, turn):
    found = result_of(
        "tests.billing.payments.payment_race",
        str(NOTIFICATIONS),
        str(PROCESSES),
        installed=installed,
        folder=tmp_path,
    )
    paid = NOTIFICATIONS // 2
    assert found.pop("seconds") > 0
    assert found == {
        "states": ["validated"],
        "payments": paid,
        "online": paid,
        "same_amount": True,
        "left": 0,
        "allocated": paid * 1000,
        "events": paid,
        "gapless": True,
        "after_repeating": paid,
    }
