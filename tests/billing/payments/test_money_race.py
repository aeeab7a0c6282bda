"""Whatever moves money, by up to eight processes at once, in any order: the books are what happened."""

import pytest

from tests.billing.payments.money_race import VERBS
from tests.processes import TURNS, result_of


@pytest.mark.parametrize("turn", TURNS)
def test_the_ledger_the_documents_and_the_provider_s_books_agree_whoever_meets_whom(
    installed, tmp_path, turn
):
    """Nothing twice, nothing lost: each balance is what the documents come to, and what was done; each charge
    is in our books as the provider has it; each meal is billed once."""
    asked = (f"turn {turn}", "8", "16" if turn == 1 else "36")
    found = result_of("tests.billing.payments.money_race", *asked, installed=installed, folder=tmp_path)
    assert (found["errors"], found["faults"], found["differences"]) == ([], [], [])
    happened = [verb for verb in VERBS if found["done"].get(verb)]
    assert len(happened) >= (12 if turn == 1 else 18), f"only {happened}"
