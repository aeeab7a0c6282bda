"""In which order requests are granted when places are short. Pure: what is known of each goes in, an order
comes out, with the words that explain it. Equal ones go by arrival, then by number: the order is total.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Any

from portal.french.amounts import number


@dataclass(frozen=True)
class Asking:
    """A day asked for. `quotient` is None without a proof in force; `sibling` that a brother or a sister
    of the same household has a place there that day."""

    line_id: int
    arrived: datetime
    resident: bool = True
    sibling: bool = False
    quotient: Decimal | None = None


def _quotient_words(quotient: Decimal | None) -> str:
    """« quotient 512 », « quotient 512,50 »."""
    if quotient is None:
        return "sans quotient"
    return f"quotient {number(quotient)}"


@dataclass(frozen=True)
class Criterion:
    """What comes first under a criterion, and what to say of it."""

    key: Callable[[Asking], Any]
    words: Callable[[Asking], str]
    sentence: str


RESIDENTS_FIRST = Criterion(
    lambda asking: not asking.resident,
    lambda asking: "commune" if asking.resident else "hors commune",
    "les familles de la commune",
)
SIBLINGS_FIRST = Criterion(
    lambda asking: not asking.sibling,
    lambda asking: "fratrie accueillie" if asking.sibling else "",
    "les enfants dont un frère ou une sœur a déjà une place ce jour-là",
)
LOWEST_QUOTIENT_FIRST = Criterion(
    lambda asking: (asking.quotient is None, asking.quotient or Decimal(0)),
    lambda asking: _quotient_words(asking.quotient),
    "le quotient familial le plus bas (sans quotient : en dernier)",
)


class RequestOrder(Enum):
    """The orders a town hall may choose; the value stands in addresses."""

    ARRIVAL = "arrivee"
    RESIDENTS = "commune"
    SIBLINGS = "fratrie"
    RESIDENTS_SIBLINGS = "commune-fratrie"
    QUOTIENT = "quotient"
    RESIDENTS_QUOTIENT = "commune-quotient"

    @property
    def label(self) -> str:
        return LABELS[self]

    @property
    def criteria(self) -> tuple[Criterion, ...]:
        return CRITERIA[self]

    @property
    def explanation(self) -> str:
        """« D'abord les familles de la commune. À égalité, l'ordre d'arrivée. »"""
        if not self.criteria:
            return "La première demande reçue est la première servie."
        sentences = ", puis ".join(criterion.sentence for criterion in self.criteria)
        return f"D'abord {sentences}. À égalité, l'ordre d'arrivée."


LABELS = {
    RequestOrder.ARRIVAL: "Ordre d'arrivée",
    RequestOrder.RESIDENTS: "Commune d'abord",
    RequestOrder.SIBLINGS: "Fratries d'abord",
    RequestOrder.RESIDENTS_SIBLINGS: "Commune, puis fratries",
    RequestOrder.QUOTIENT: "Quotient le plus bas d'abord",
    RequestOrder.RESIDENTS_QUOTIENT: "Commune, puis quotient le plus bas",
}
CRITERIA: dict[RequestOrder, tuple[Criterion, ...]] = {
    RequestOrder.ARRIVAL: (),
    RequestOrder.RESIDENTS: (RESIDENTS_FIRST,),
    RequestOrder.SIBLINGS: (SIBLINGS_FIRST,),
    RequestOrder.RESIDENTS_SIBLINGS: (RESIDENTS_FIRST, SIBLINGS_FIRST),
    RequestOrder.QUOTIENT: (LOWEST_QUOTIENT_FIRST,),
    RequestOrder.RESIDENTS_QUOTIENT: (RESIDENTS_FIRST, LOWEST_QUOTIENT_FIRST),
}


@dataclass(frozen=True)
class Ranked:
    """A request in its order; `why` says what counted, empty where only arrival did."""

    asking: Asking
    why: str


def ranked(asked: Iterable[Asking], order: RequestOrder) -> list[Ranked]:
    """All of `asked`, first served first."""

    def key(asking: Asking) -> tuple[Any, ...]:
        counts = tuple(criterion.key(asking) for criterion in order.criteria)
        return *counts, asking.arrived, asking.line_id

    return [
        Ranked(asking, ", ".join(filter(None, (criterion.words(asking) for criterion in order.criteria))))
        for asking in sorted(asked, key=key)
    ]
