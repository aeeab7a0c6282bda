"""Amounts and numbers are written the same wherever somebody reads them."""

from decimal import Decimal

from portal.french.amounts import euros, number

NBSP = "\N{NO-BREAK SPACE}"


def test_what_is_taken_back_has_a_true_minus():
    assert euros(Decimal("-1250.4")) == f"\N{MINUS SIGN}1{NBSP}250,40{NBSP}€"
    assert number(Decimal(-1)) == "\N{MINUS SIGN}1"


def test_a_number_has_cents_only_where_they_count():
    assert [number(Decimal(text)) for text in ("812", "812.00", "812.5", "12500")] == [
        "812", "812", "812,50", f"12{NBSP}500",
    ]  # fmt: skip


def test_nothing_has_no_sign():
    assert euros(Decimal("-0.00")) == euros(Decimal("-0.004")) == f"0,00{NBSP}€"
    assert number(Decimal("-0.00")) == "0"
