"""Addresses as rules ask for them: the same street or town however it is spelled. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Protocol

from portal.french.spelling import folded


class HasAddress(Protocol):
    """A household, a former address, a request to change one."""

    street: str
    postcode: str
    city: str


@dataclass(frozen=True)
class Address:
    street: str
    postcode: str
    city: str

    @classmethod
    def of(cls, row: HasAddress) -> "Address":
        return cls(row.street, row.postcode, row.city)

    def is_within(self, *, street: str = "", postcode: str = "", city: str = "") -> bool:
        """Whether it is in this street, without its number, of this postcode and this town; what is empty
        asks for nothing."""
        return (
            (not postcode or postcode == self.postcode)
            and (not city or folded(city) == folded(self.city))
            and (not street or f" {folded(street)} " in f" {folded(self.street)} ")
        )


@dataclass(frozen=True)
class Lived:
    """An address, and the last day on which it held; None: it is today's."""

    address: Address
    until: date | None


def same(one: Address, other: Address) -> bool:
    return one.postcode == other.postcode and (folded(one.street), folded(one.city)) == (
        folded(other.street),
        folded(other.city),
    )


def on(lived: Sequence[Lived], day: date) -> Address:
    """The address of a day; `lived` the first first, the last one without an end."""
    return next(one.address for one in lived if one.until is None or day <= one.until)
