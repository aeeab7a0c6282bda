"""Before people leave the desk in a file of a list: a right of its own, the proof again, the register."""

from collections.abc import Iterator
from functools import cache
from typing import Any

from django.db.models import ForeignKey, Model, QuerySet
from django.http import HttpRequest

from families.models import Child, Household, User
from families.signing_in.asking_again import ask_again
from families.traces import reading
from portal.desk import exporting, rights

# How far a row may stand from whom it is about: of a booking's event, the booking's child.
FURTHEST = 3


def _ways(model: type[Model], length: int) -> Iterator[tuple[str, type[Model]]]:
    """Keys that lead from a row to others, the shortest first, never by way of a login."""
    nearest = [("", model)]
    for _ in range(length):
        farther = []
        for path, at in nearest:
            for field in at._meta.concrete_fields:
                if isinstance(field, ForeignKey) and issubclass(field.related_model, Model):
                    way = (f"{path}__{field.name}".removeprefix("__"), field.related_model)
                    yield way
                    farther += [way] if field.related_model not in (User, Household, Child) else []
        nearest = farther


def of_whom(model: type[Model]) -> dict[type[Model], str]:
    """By which path a row is of a household, and of a child; empty for what names no family."""
    return _of_whom(model)


@cache
def _of_whom(model: Any) -> dict[type[Model], str]:
    found: dict[type[Model], str] = {}
    if model in (Household, Child):
        found[model] = "pk"
    if issubclass(model, User):
        found[Household] = "guardians__household"
    for path, to in _ways(model, FURTHEST):
        if to in (Household, Child):
            found.setdefault(to, path)
    return found


def names_people(model: type[Model]) -> bool:
    """Whether rows say who somebody is: of a family, or by a login who did what."""
    return _names_people(model)


@cache
def _names_people(model: Any) -> bool:
    logins = (issubclass(to, User) for _, to in _ways(model, FURTHEST))
    return bool(of_whom(model)) or issubclass(model, User) or any(logins)


class PeopleKept:
    """What is lent to the lists of the desk."""

    def may(self, user: Any, model: type[Model]) -> bool:
        return not names_people(model) or bool(user.has_perm(rights.EXPORT))

    def reached(self, user: Any, rows: QuerySet[Any]) -> QuerySet[Any]:
        return rights.seen_by(user, rows, rights.EXPORT) if names_people(rows.model) else rows

    def pass_out(self, request: HttpRequest, what: str, rows: QuerySet[Any]) -> None:
        if not names_people(rows.model):
            return
        ask_again(request)
        keys = {
            to: rows.order_by().filter(**{f"{path}__isnull": False}).values_list(path, flat=True)
            for to, path in of_whom(rows.model).items()
        }
        reading.note_export(request, what, households=keys.get(Household, ()), children=keys.get(Child, ()))


exporting.keep(PeopleKept())
