"""Two régies bill, cash and credit the same families at once: each its own, in series without a gap."""

from decimal import Decimal

from tests.processes import result_of

ROUNDS = 12


def test_nothing_of_a_regie_is_taken_by_the_other_however_they_meet(installed, tmp_path):
    found = result_of("tests.billing.payments.regie_race", str(ROUNDS), installed=installed, folder=tmp_path)
    assert len(found["rounds"]) == ROUNDS
    for number, one in enumerate(found["rounds"], start=1):
        assert one["billed"] == [" 12.80", " 12.80", "CL 15.00", "CL 15.00"], (number, one)
        # What the first family handed in each month is its own still, with each régie; the second is even.
        held = [str(-number * Decimal(amount)) for amount in ("14.80", "17.00")]
        assert one["balances"] == [held, ["0.00", "0.00"]], (number, one)
        assert (one["gaps"], one["crossed"]) == (0, 0), (number, one)
    # Numbers without a gap, each seal on the one before it, and no account that says otherwise.
    assert found["faults"] == []
    assert found["documents"] == ROUNDS * 2 * (2 + 2 + 1)
