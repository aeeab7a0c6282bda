"""A household's page at the desk, line by line: what floors above know of it. This floor knows no money."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.utils.safestring import SafeString

from families.models import Household

# What is said of a household, in words and links; in two queries at most.
Says = Callable[[Household], SafeString]


@dataclass(frozen=True)
class Fact:
    """A line `label`, for who has these rights."""

    label: str
    rights: tuple[str, ...]
    says: Says


_facts: dict[str, Fact] = {}


def register(label: str, rights: tuple[str, ...], says: Says) -> None:
    """For an app above, beside its own desk: a line on every household's page at the desk."""
    _facts[label] = Fact(label, rights, says)


def shown_to(user: Any) -> list[Fact]:
    """Those that `user` may read, in the order of their registration."""
    return [one for one in _facts.values() if user.has_perms(one.rights)]
