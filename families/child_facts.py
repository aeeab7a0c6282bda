"""A child's page, line by line: what floors above know of it. This floor knows no school."""

from collections.abc import Callable

from families.models import Child

# What is said of a child, in words; in one query at most.
Says = Callable[[Child], str]
_facts: dict[str, Says] = {}


def register(label: str, says: Says) -> None:
    """For an app above, once it is ready: a line `label` on every child's page."""
    _facts[label] = says


def of(child: Child) -> list[tuple[str, str]]:
    """(label, words), in the order of their registration."""
    return [(label, says(child)) for label, says in _facts.items()]
