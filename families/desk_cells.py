"""Cells that lists of the desk show alike, of people: whose row it is, who did something."""

from typing import Protocol

from django.contrib import admin
from django.utils.safestring import SafeString

from families.desk_links import household_link
from families.models import User


class OfHousehold(Protocol):
    """A row that holds its household."""

    @property
    def household_id(self) -> int: ...


def person(user: User | None) -> str:
    """The name of somebody, or the login that stands for it; « – » for nobody: a form's page takes no
    heed of `empty_value`."""
    return (user.get_full_name() or user.get_username()) if user else "–"


class DecidedRow(Protocol):
    """A row that somebody answered, or nobody yet."""

    @property
    def decided_by(self) -> User | None: ...


class DecidedBy:
    """Who answered, by name: agents may not open the logins themselves."""

    @admin.display(description="traité par", empty_value="–")
    def decided_by_name(self, obj: DecidedRow) -> str:
        return person(obj.decided_by)


class HouseholdLink:
    """« Foyer »."""

    @admin.display(description="foyer", ordering="household_id")
    def household_link(self, obj: OfHousehold) -> SafeString:
        return household_link(obj.household_id)
