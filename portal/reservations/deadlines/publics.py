"""Which of the town's own audiences a household is of on a day. Pure: what is known of it goes in.

« Commune » and « hors commune » are every town's and asked elsewhere; these count before them. Of several
that hold, the town's order says which counts: `rules.first_said`.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from functools import cached_property

from families.addresses import Address, Lived, on
from portal.french.sentences import lower_first


class Kind(StrEnum):
    """How a household belongs."""

    ADDRESS = "address"
    SCHOOL = "school"
    RECOGNISED = "recognised"


@dataclass(frozen=True)
class Area:
    """A town, a postcode, a street: what is empty asks for nothing. From a day to a day, both included."""

    city: str = ""
    postcode: str = ""
    street: str = ""
    first: date | None = None
    last: date | None = None

    def holds(self, address: Address, day: date) -> bool:
        return _within(day, self.first, self.last) and address.is_within(
            street=self.street, postcode=self.postcode, city=self.city
        )


@dataclass(frozen=True)
class Public:
    """An audience of the town."""

    key: int
    label: str
    kind: Kind
    areas: tuple[Area, ...] = ()
    schools: frozenset[int] = frozenset()
    words: str = ""
    priced_as_resident: bool = False
    code: str = ""

    @property
    def said(self) -> str:
        """To who is of it: « communes partenaires, dont vous êtes »."""
        return self.words or f"{lower_first(self.label)}, dont vous êtes"


@dataclass(frozen=True)
class Span:
    """A school that is attended, or an audience that was recognised (`key`), from a day to a day."""

    key: int
    first: date | None = None
    last: date | None = None

    def holds(self, day: date) -> bool:
        return _within(day, self.first, self.last)


@dataclass(frozen=True)
class Life:
    """What is known of a household, or of it with one of its children: `schools` are then that child's."""

    lived: tuple[Lived, ...]
    schools: tuple[Span, ...] = ()
    recognised: tuple[Span, ...] = ()


@dataclass(frozen=True)
class Publics:
    """The audiences that a town made, in its order, and when a period (its key) opens to which."""

    rows: tuple[Public, ...] = ()
    openings: Mapping[int, Mapping[int, datetime]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.rows)

    def of(self, key: int) -> Public:
        return next(one for one in self.rows if one.key == key)

    def asks(self, kind: Kind) -> bool:
        return kind in self.kinds

    @cached_property
    def kinds(self) -> frozenset[Kind]:
        """The ways of belonging that are asked."""
        return frozenset(one.kind for one in self.rows)

    def priced_as_resident(self, keys: Iterable[int]) -> bool:
        return any(self.of(key).priced_as_resident for key in keys)


def belongs(public: Public, life: Life, day: date) -> bool:
    """Whether the household is of the audience on a day."""
    match public.kind:
        case Kind.ADDRESS:
            address = on(life.lived, day)
            return any(area.holds(address, day) for area in public.areas)
        case Kind.SCHOOL:
            return any(one.key in public.schools and one.holds(day) for one in life.schools)
        case Kind.RECOGNISED:
            return any(one.key == public.key and one.holds(day) for one in life.recognised)


def held(publics: Collection[Public], life: Life, day: date) -> tuple[int, ...]:
    """Those (their keys) that the household is of on a day, in the order of `publics`: the town's."""
    return tuple(one.key for one in publics if belongs(one, life, day))


def _within(day: date, first: date | None, last: date | None) -> bool:
    return (first is None or first <= day) and (last is None or day <= last)
