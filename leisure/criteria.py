"""In which order requests are granted when places are short. Pure: what is known of each goes in, an order
comes out, with the words that explain it. Equal ones go by arrival, then by number: the order is total.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from enum import Enum, StrEnum
from typing import Any, Protocol

from portal.french.amounts import number
from portal.french.plurals import counted


@dataclass(frozen=True)
class Asking:
    """A day asked for. `quotient` is None without a proof in force; `sibling` that a brother or a sister
    of the same household has a place there that day.

    `whole_weeks`: how many weeks the child asks for, or has, whole; `in_whole_week`: the day is in one.
    `regular`: it is enrolled all year in another activity. `works`: both parents, or the only one, work or
    train; `proved`: the town hall saw it. `by_itself`: sent on the portal, not typed at the desk.
    """

    line_id: int
    arrived: datetime
    resident: bool = True
    sibling: bool = False
    quotient: Decimal | None = None
    whole_weeks: int = 0
    in_whole_week: bool = False
    district: bool = False
    regular: bool = False
    works: bool = False
    proved: bool = False
    disability: bool = False
    by_itself: bool = True


def _quotient_words(quotient: Decimal | None) -> str:
    """« quotient 512 », « quotient 512,50 »."""
    if quotient is None:
        return "sans quotient"
    return f"quotient {number(quotient)}"


def _work_words(asking: Asking) -> str:
    """« parents qui travaillent (déclaré) »."""
    return "parents qui travaillent" if asking.proved else "parents qui travaillent (déclaré)"


@dataclass(frozen=True)
class Criterion:
    """What comes first under a criterion, and what to say of it; `guarded` instead to who has no right to
    know it."""

    key: Callable[[Asking], Any]
    words: Callable[[Asking], str]
    sentence: str
    guarded: str = ""


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


WHOLE_WEEKS_FIRST = Criterion(
    lambda asking: not asking.in_whole_week,
    lambda asking: (
        counted(asking.whole_weeks, "semaine entière", "semaines entières")
        if asking.in_whole_week
        else "jours isolés"
    ),
    "les semaines entières",
)
DISTRICT_FIRST = Criterion(
    lambda asking: not asking.district,
    lambda asking: "quartier prioritaire" if asking.district else "",
    "les familles du quartier prioritaire",
)
REGULARS_FIRST = Criterion(
    lambda asking: not asking.regular,
    lambda asking: "inscrit à l'année" if asking.regular else "occasionnel",
    "les enfants inscrits toute l'année à une autre activité",
)
WORK_FIRST = Criterion(
    lambda asking: (not asking.works, asking.works and not asking.proved),
    lambda asking: _work_words(asking) if asking.works else "",
    "les enfants dont les parents travaillent ou sont en formation",
)
DISABILITY_FIRST = Criterion(
    lambda asking: not asking.disability,
    lambda asking: "handicap" if asking.disability else "",
    "les enfants en situation de handicap",
    guarded="priorité de la mairie",
)
PORTAL_FIRST = Criterion(
    lambda asking: not asking.by_itself,
    lambda asking: "" if asking.by_itself else "reçue par courrier ou au guichet",
    "les demandes faites sur le portail (courrier et guichet ensuite)",
)


class Kind(StrEnum):
    """The criteria of which a town makes an activity's own order."""

    RESIDENT = "resident"
    SIBLING = "sibling"
    QUOTIENT = "quotient"
    WHOLE_WEEKS = "whole_weeks"
    DISTRICT = "district"
    REGULAR = "regular"
    WORK = "work"
    DISABILITY = "disability"
    PORTAL = "portal"

    @property
    def criterion(self) -> Criterion:
        return KINDS[self]


KINDS = {
    Kind.RESIDENT: RESIDENTS_FIRST,
    Kind.SIBLING: SIBLINGS_FIRST,
    Kind.QUOTIENT: LOWEST_QUOTIENT_FIRST,
    Kind.WHOLE_WEEKS: WHOLE_WEEKS_FIRST,
    Kind.DISTRICT: DISTRICT_FIRST,
    Kind.REGULAR: REGULARS_FIRST,
    Kind.WORK: WORK_FIRST,
    Kind.DISABILITY: DISABILITY_FIRST,
    Kind.PORTAL: PORTAL_FIRST,
}


# What makes a request come first by a criterion, and by no other one.
ALONE: dict[Kind, dict[str, Any]] = {
    Kind.RESIDENT: {"resident": True},
    Kind.SIBLING: {"sibling": True},
    Kind.QUOTIENT: {"quotient": Decimal(300)},
    Kind.WHOLE_WEEKS: {"whole_weeks": 1, "in_whole_week": True},
    Kind.DISTRICT: {"district": True},
    Kind.REGULAR: {"regular": True},
    Kind.WORK: {"works": True, "proved": True},
    Kind.DISABILITY: {"disability": True},
    Kind.PORTAL: {"by_itself": True},
}


def examples(kinds: Iterable[Kind], arrived: datetime) -> list[tuple[str, Asking]]:
    """Requests of one hour: of who has nothing that counts, then, by criterion, of who has that alone."""
    nothing = Asking(0, arrived, resident=False, by_itself=False)
    found = [("aucun de ces critères", nothing)]
    for key, kind in enumerate(kinds, 1):
        asking = replace(nothing, line_id=key, **ALONE[kind])
        found.append((f"seulement {kind.criterion.sentence}", asking))
    return found


class Order(Protocol):
    """An order in which requests are granted: a usual one, or an activity's own."""

    @property
    def label(self) -> str: ...
    @property
    def criteria(self) -> tuple[Criterion, ...]: ...
    @property
    def explanation(self) -> str: ...


@dataclass(frozen=True)
class OwnOrder:
    """The order that the town gave an activity, the first criterion first."""

    kinds: tuple[Kind, ...]
    label: str = "Règle de l'activité"

    @property
    def criteria(self) -> tuple[Criterion, ...]:
        return tuple(kind.criterion for kind in self.kinds)

    @property
    def explanation(self) -> str:
        return explained(self.criteria)


def explained(criteria: Sequence[Criterion]) -> str:
    """« D'abord les familles de la commune. À égalité, l'ordre d'arrivée. »"""
    if not criteria:
        return "La première demande reçue est la première servie."
    sentences = ", puis ".join(criterion.sentence for criterion in criteria)
    return f"D'abord {sentences}. À égalité, l'ordre d'arrivée."


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
        return explained(self.criteria)


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
    """A request in its order; `why` says what counted, empty where only arrival did; `guarded` the same for
    who does not know of health."""

    asking: Asking
    why: str
    guarded: str = ""


def ranked(asked: Iterable[Asking], order: Order) -> list[Ranked]:
    """All of `asked`, first served first."""

    def key(asking: Asking) -> tuple[Any, ...]:
        counts = tuple(criterion.key(asking) for criterion in order.criteria)
        return *counts, asking.arrived, asking.line_id

    return [
        Ranked(asking, _why(asking, order), _why(asking, order, guarded=True))
        for asking in sorted(asked, key=key)
    ]


def _why(asking: Asking, order: Order, *, guarded: bool = False) -> str:
    said = ((criterion, criterion.words(asking)) for criterion in order.criteria)
    return ", ".join(one.guarded if guarded and one.guarded else words for one, words in said if words)
