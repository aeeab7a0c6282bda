"""What a member of staff may see and do: the one place where pages of the desk ask.

Django says whether somebody holds a right at all: one that counts nowhere is not held (`held_by`). Which rows
it reaches is asked here. This floor knows no places: the floor that does lends its answers. Whoever has the
whole town is handed the rows as they are, at no query more.
"""

from collections.abc import Hashable
from functools import partial
from typing import Any, Protocol, TypeVar

from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import HttpRequest

from portal.database.composed import Composed

Row = TypeVar("Row", bound=Model)
Read = TypeVar("Read")
# Files with people in them leave the portal, whichever page makes them.
EXPORT = "families.export_household"


class OutOfReach(PermissionDenied):
    """A row that whoever asks may not write: it belongs to places of others."""


class Answers(Protocol):
    """What the floor that knows places says."""

    def held_by(self, user: Any) -> set[str]:
        """The rights that roles give, « app.verb_model », as far as each counts somewhere."""
        ...

    def held_in_part_by(self, user: Any) -> set[str]:
        """Those of them that do not reach the whole town."""
        ...

    def reaches_all(self, user: Any, right: str) -> bool:
        """Whether this right reaches the whole town."""
        ...

    def seen_by(self, user: Any, rows: QuerySet[Row], rights: tuple[str, ...]) -> QuerySet[Row]:
        """Those of `rows` that one of `rights` reaches; `rows` itself where that is all of them."""
        ...


class Seen(Protocol):
    """Those of some rows that somebody sees by one of these rights: `seen_by` for one who looks."""

    def __call__(self, rows: QuerySet[Row], *rights: str) -> QuerySet[Row]: ...


class Roles(Protocol):
    """The only writer of who holds which role, on the floor that knows places."""

    def give(self, user: Any, role: Any, *, by: Any) -> Any: ...

    def withdraw_all(self, user: Any, *, by: Any, request: HttpRequest | None = None) -> None: ...


_lent: list[Answers] = []
_roles: list[Roles] = []


def lend(answers: Answers, roles: Roles) -> None:
    """For the floor that knows places, once it is ready."""
    _lent[:], _roles[:] = [answers], [roles]


def give_role(user: Any, role: Any, *, by: Any) -> None:
    """A role (a group) in the whole town."""
    _roles[0].give(user, role, by=by)


def take_all_roles(user: Any, *, by: Any, request: HttpRequest | None = None) -> None:
    """Whoever leaves holds no role any more, nor a right given past them."""
    _roles[0].withdraw_all(user, by=by, request=request)


def held_by(user: Any) -> set[str]:
    """The rights that somebody's roles give."""
    return _lent[0].held_by(user)


def held_in_part_by(user: Any) -> set[str]:
    """Those of them that do not reach the whole town."""
    return _lent[0].held_in_part_by(user)


def seen_by(user: Any, rows: QuerySet[Row], *rights: str) -> QuerySet[Row]:
    """Those of `rows` that one of `rights` reaches; `rows` itself where that is all of them."""
    return _lent[0].seen_by(user, rows, rights)


def all_of(rows: QuerySet[Row], *rights: str) -> QuerySet[Row]:
    """What who has the whole town sees of some rows."""
    return rows


def read(
    user: Any, query: Composed[Read], needed: tuple[str, ...], /, *shape: Hashable, **given: Any
) -> list[Read]:
    """The rows that `query(seen, *shape)` composes with a `Seen`. Where each of the rights `needed` reaches
    the whole town the text is composed once; it is one's own where places say what is seen."""
    if all(_lent[0].reaches_all(user, right) for right in needed):
        return query(all_of, *shape, **given)
    return query.anew(partial(seen_by, user), *shape, **given)


def may(user: Any, row: Model, *rights: str) -> bool:
    """Whether one of `rights` reaches this row. One query, none for who has the whole town."""
    if any(_lent[0].reaches_all(user, right) for right in rights):
        return True
    rows = type(row)._default_manager.all()
    seen = seen_by(user, rows, *rights)
    return seen is rows or seen.filter(pk=row.pk).exists()


def within_all(user: Any, rows: QuerySet[Row], *rights: str) -> QuerySet[Row]:
    """Those of `rows` that each of `rights` reaches: what is written with several rights at once."""
    for right in rights:
        rows = seen_by(user, rows, right)
    return rows
