"""Real processes on a database of their own: one is killed in the middle, eight issue at once."""

import pytest

from tests.billing.invoices.issuing import DAYS, HOUSEHOLDS
from tests.processes import TURNS, result_of


@pytest.mark.parametrize("turn", TURNS)
def test_a_killed_run_goes_on_and_eight_issuers_leave_no_gap(installed, tmp_path, turn):
    found = result_of("tests.billing.invoices.issuing", installed=installed, folder=tmp_path)
    assert 0 < found["left"] < HOUSEHOLDS
    # Who comes after the end is told so; the others share the work.
    assert all("déjà facturé" in error for error in found["errors"]), found["errors"]
    assert found["sequences"] == list(range(1, HOUSEHOLDS + 1))
    assert found["households"] == HOUSEHOLDS
    assert found["items"] == HOUSEHOLDS * len(DAYS)
    assert found["state"] == "done"
    # Numbers, seals and accounts: what a killed chunk began left nothing behind.
    assert found["verified"] == [[], []]
