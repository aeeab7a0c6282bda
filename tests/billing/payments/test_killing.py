"""Killed at any statement of any verb that moves money, and done again, the books agree."""

import pytest

from tests.processes import result_of

VERBS = 27

# On the database of a town that bills many; each kill is a process of its own.
pytestmark = pytest.mark.once


@pytest.mark.parametrize("most", [2, pytest.param(0, marks=pytest.mark.long)], ids=["some", "every"])
def test_whoever_is_killed_in_the_middle_leaves_books_that_agree(installed, tmp_path, most):
    found = result_of("tests.billing.payments.killing", str(most), installed=installed, folder=tmp_path)
    assert found["found"] == []
    assert len(found["killed"]) == VERBS and all(found["killed"].values()), found["killed"]
