"""A credit note of an invoice at the moment it is paid, credited by another desk, or written off: what is
credited is the family's, once, and the account says so."""

from tests.processes import result_of

ROUNDS = 12
# Left to pay, the family's too much, credited, written off, and by how much the account says otherwise.
CREDITED, WRITTEN_OFF = [0, 0, 1000, 0, 0], [0, 0, 0, 1000, 0]
FREED = [0, 1000, 1000, 0, 0]  # whatever came first, the money is the family's again
MAY_BE = {
    "notification": [FREED],
    "desk": [FREED],
    "twice": [CREDITED],
    "written off": [CREDITED, WRITTEN_OFF],
}


def test_an_invoice_is_answered_once_and_what_was_paid_of_it_is_the_family_s(installed, tmp_path):
    found = result_of("tests.billing.payments.credit_race", str(ROUNDS), installed=installed, folder=tmp_path)
    assert found.keys() == MAY_BE.keys()
    for name, rounds in found.items():
        assert len(rounds) == ROUNDS
        assert all(one in MAY_BE[name] for one in rounds), (name, rounds)
