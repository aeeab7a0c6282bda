"""What becomes of each key that names a household, an adult or a child, when two of them are one.

    declare({"families.Document.household": Joins.MOVES, …})        for an app, once it is ready

A test walks every such key of the schema, and fails on one that nobody declared.
"""

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any

from django.apps import apps
from django.db.models import Case, Model, Value, When


class Joins(Enum):
    """What happens to the rows that name the household, the adult or the child that is emptied."""

    MOVES = "suit sans changer"
    # Rows of both may contradict each other: the app's part decides, row by row.
    RULED = "suit par une règle"
    # What was printed, read or decided: it says what was so then.
    STAYS = "reste, parce qu'il dit ce qui était"


_declared: dict[str, Joins] = {}


def declare(keys: Mapping[str, Joins]) -> None:
    _declared.update(keys)


def declared() -> dict[str, Joins]:
    """« families.Document.household » → what becomes of it."""
    return dict(_declared)


def move(target: type[Model], pairs: Mapping[int, int]) -> None:
    """All keys declared to move that name one of these rows of `target` name the other one from now on; one
    query a key. Within a transaction."""
    if not pairs:
        return
    for key, fate in _declared.items():
        if fate is not Joins.MOVES:
            continue
        label, _, name = key.rpartition(".")
        model = apps.get_model(label)
        if model._meta.get_field(name).related_model is target:
            rename(model._base_manager.all(), name, pairs)


def rename(rows: Any, name: str, pairs: Mapping[int, int]) -> int:
    """The key `name` of these rows, by `pairs`, in one query; returns how many rows changed."""
    if not pairs:
        return 0
    named = [When(**{name: one}, then=Value(other)) for one, other in pairs.items()]
    changed: int = rows.filter(**{f"{name}__in": list(pairs)}).update(**{name: Case(*named)})
    return changed


def rename_new(rows: Any, name: str, pairs: Mapping[int, int], unique: Sequence[str] = ()) -> None:
    """As `rename`, but of rows that the one which stays has its own of (the same in the columns `unique`):
    they are left as they are. In two queries."""
    if not pairs:
        return
    columns = (name, *unique)
    held = set(rows.filter(**{f"{name}__in": pairs.values()}).values_list(*columns))
    theirs = rows.filter(**{f"{name}__in": list(pairs)}).values_list("pk", *columns)
    new = [pk for pk, one, *same in theirs if (pairs[one], *same) not in held]
    rename(rows.filter(pk__in=new), name, pairs)
