"""Amounts and numbers as families and agents read them: « 1 250,40 € », « −3,20 € ».

Pure. Machine files (CSV for accountants, pain.001, the banks' orders) write their own numbers.
"""

from decimal import Decimal

NBSP = "\N{NO-BREAK SPACE}"
MINUS = "\N{MINUS SIGN}"


def euros(amount: Decimal) -> str:
    """« 1 250,40 € », « −3,20 € »: euros with two decimals, spaces unbreakable, a true minus."""
    return f"{_french(f'{amount:,.2f}')}{NBSP}€"


def number(value: Decimal) -> str:
    """« 1 250 », « 859,99 »: two decimals, or none where the value is whole."""
    return _french(f"{value:,.2f}" if value != value.to_integral_value() else f"{value:,.0f}")


def _french(text: str) -> str:
    if not text.strip("-0.,"):
        text = text.removeprefix("-")  # what is nothing has no sign
    return text.replace(",", NBSP).replace(".", ",").replace("-", MINUS)
