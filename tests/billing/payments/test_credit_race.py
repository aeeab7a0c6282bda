"""A credit note and a payment of the same invoice at once: paid or credited, never both."""

from tests.processes import result_of

ROUNDS = 12
PAID = [0, 0]  # nothing left to pay, nothing too much
CREDITED = [0, 1000]  # credited first: the money that came is the family's


def test_an_invoice_is_paid_or_credited_never_both(installed, tmp_path):
    found = result_of("tests.billing.payments.credit_race", str(ROUNDS), installed=installed, folder=tmp_path)
    for rounds in found.values():
        assert len(rounds) == ROUNDS
        assert all(one in (PAID, CREDITED) for one in rounds), rounds
