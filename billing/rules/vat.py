"""VAT that is contained in prices: pure. Prices are always « toutes taxes comprises »."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

CENT = Decimal("0.01")
ZERO = Decimal("0.00")


@dataclass(frozen=True)
class ByRate:
    """What a document comes to at one rate, in euros: `net` + `vat` = `gross`."""

    rate: Decimal
    net: Decimal
    vat: Decimal
    gross: Decimal


def net_of(gross: Decimal, rate: Decimal) -> Decimal:
    """What is left of an amount without its VAT (`rate` in percent), to the cent."""
    return (gross / (1 + rate / 100)).quantize(CENT, ROUND_HALF_UP)


def by_rate(lines: Iterable[tuple[Decimal, Decimal]]) -> list[ByRate]:
    """Lines (rate, gross amount) summed by rate, the lowest first, 0 left out: each rate is rounded once, on
    its sum."""
    sums: dict[Decimal, Decimal] = {}
    for rate, gross in lines:
        if rate:
            sums[rate] = sums.get(rate, ZERO) + gross
    return [
        ByRate(rate, net := net_of(gross, rate), gross - net, gross) for rate, gross in sorted(sums.items())
    ]
