"""Two desks put the same payment right at once: one does it, the other is told."""

from tests.processes import result_of

ROUNDS = 12
REVERSED = ["reversal -14.00"]
# What else may have come first, after which a reversal is refused; re-allocated, it is reversed all the same.
FIRST = {"reverse": REVERSED, "reallocate": REVERSED, "refund": ["refund -4.00"], "move": ["transfer -14.00"]}


def test_a_payment_is_undone_once_whoever_comes_first(installed, tmp_path):
    found = result_of(
        "tests.billing.payments.undoing_race", str(ROUNDS), installed=installed, folder=tmp_path
    )
    for other, rounds in found.items():
        assert len(rounds) == ROUNDS
        for one in rounds:
            assert one["taken"] in (REVERSED, FIRST[other]), (other, one)
            used, unused = ("10.00", "0.00") if one["taken"] == ["refund -4.00"] else ("0", "0.00")
            assert (one["used"], one["unused"], one["gap"]) == (used, unused, "0.00"), (other, one)
