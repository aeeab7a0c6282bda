"""What each app holds of people, table by table, and what becomes of it when they are erased.

    declare({"families.Guardian": Fate.GONE, …})        for an app, once it is ready

A test walks every table that leads to a household, a child, a guardian or a login, and fails on one that
nobody declared. Old versions of rows (simple-history) go with their table.
"""

from collections.abc import Mapping
from enum import Enum


class Fate(Enum):
    """What an erasure does with the rows of a table."""

    GONE = "effacé"
    # The row stays where presences or vouchers hang on it; nothing of it names anybody.
    BLANK = "rendu anonyme, ou effacé si rien ne le retient"
    LAW = "conservé sans changement, parce que la loi l'exige"
    # It only says which member of staff acted, or what is nobody's: a family's erasure leaves it.
    STAFF = "ne dit rien d'une famille"


_declared: dict[str, Fate] = {}


def declare(tables: Mapping[str, Fate]) -> None:
    _declared.update(tables)


def declared() -> dict[str, Fate]:
    """« families.Guardian » → what becomes of it."""
    return dict(_declared)
