"""Queries whose SQL is composed once in a process: what pages ask all the time costs them its values only.

Composing the text of a query takes Django longer than the database takes to answer it. A `Composed` keeps the
text, never the rows: what is read is as fresh as from any queryset.
"""

import copy
import json
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable
from functools import reduce, update_wrapper
from operator import or_
from typing import Any, Generic, TypeAlias, TypeVar

from django.core.exceptions import EmptyResultSet
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Expression, Field, Lookup, Q, QuerySet
from django.db.models.sql.compiler import SQLCompiler
from django.db.transaction import TransactionManagementError

from portal.database import trials
from portal.database.plain_rows import adapted

Row = TypeVar("Row")
# Of each query: numbers of children, days asked for one by one.
SHAPES = 64


class Given(Expression):
    """In the place of a value that each reading gives, by its name."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> tuple[str, Any]:
        """Itself among the parameters: `Composed` puts the value there."""
        return "%s", (self,)


class GivenMany(Given):
    """In the place of a list that each reading gives, of any length: `Q(day__among=GivenMany("days"))`."""


@Field.register_lookup
class Among(Lookup[Any]):
    """As `in`, for a GivenMany: the text is the same whatever their number."""

    lookup_name = "among"
    prepare_rhs = False

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> tuple[str, Any]:
        column, params = self.process_lhs(compiler, connection)
        if connection.vendor == "postgresql":
            return f"{column} = ANY(%s)", [*params, self.rhs]
        return f"{column} IN (SELECT value FROM json_each(%s))", [*params, self.rhs]  # noqa: S608 our column


def one_of(path: str, name: str, count: int) -> Q:
    """In the place of `path__in`: `count` values, « child0 », « child1 »…; their number is of the shape."""
    return reduce(or_, (Q((path, Given(f"{name}{number}"))) for number in range(count)))


def numbered(name: str, values: Iterable[Any]) -> dict[str, Any]:
    """The values for `one_of`, by name."""
    return {f"{name}{number}": value for number, value in enumerate(values)}


# A queryset, its compiler, its SQL, and what stands in the places of values.
Text: TypeAlias = "tuple[QuerySet[Any, Row], Any, str, list[Any]]"


class Composed(Generic[Row]):
    """A query of one shape: `compose(*shape)` answers a queryset with `Given` where values come.

    The same shape is the same text, so the queryset may depend on nothing else: no moment, no setting. A
    value is what the column holds: a key, a day, a text.
    """

    def __init__(self, compose: Callable[..., "QuerySet[Any, Row]"]) -> None:
        self._compose = compose
        self._kept: OrderedDict[tuple[Hashable, ...], Text[Row]] = OrderedDict()
        update_wrapper(self, compose)

    def __call__(self, *shape: Hashable, **given: Any) -> list[Row]:
        """The rows for what is `given`. Raises KeyError where a value is missing."""
        return self._read(self._composed(shape), given)

    def anew(self, *shape: Any, **given: Any) -> list[Row]:
        """The same of a shape that comes once, as what somebody may see: its text is not kept."""
        try:
            return self._read(self._text_of(shape), given)
        except EmptyResultSet:
            return []

    def _read(self, composed: "Text[Row]", given: dict[str, Any]) -> list[Row]:
        queryset, compiler, text, places = composed
        adapt = compiler.connection.vendor != "postgresql"
        params = tuple(_value(given, place, adapt=adapt) for place in places)
        read, query = _alike(queryset)
        # Django looks when it composes, which another transaction may have done.
        if query.select_for_update and not connections[read.db].in_atomic_block:
            raise TransactionManagementError("Rows are held until a transaction ends: there is none.")
        query.get_compiler = _once_composed(compiler, text, params)
        return list(read)

    def _composed(self, shape: tuple[Hashable, ...]) -> "Text[Row]":
        # Who goes from one kind of database to another, as the upgrades' tests do, has a text for each; who
        # tries a household reads its rows too.
        key = (connections[DEFAULT_DB_ALIAS].vendor, trials.current(), *shape)
        kept = self._kept.get(key)
        if kept is None:
            kept = self._kept[key] = self._text_of(shape)
            if len(self._kept) > SHAPES:
                self._kept.popitem(last=False)
        return kept

    def _text_of(self, shape: tuple[Any, ...]) -> "Text[Row]":
        queryset = self._compose(*shape)
        compiler: Any = queryset.query.get_compiler(queryset.db)
        text, places = compiler.as_sql()
        if compiler.connection.vendor == "postgresql":  # others convert by the connection of a thread
            fields = [column for column, *_ in compiler.select[: compiler.col_count]]
            converters, composite = compiler.get_converters(fields), compiler.has_composite_fields(fields)
            compiler.get_converters = lambda expressions: converters
            compiler.has_composite_fields = lambda expressions: composite
        return queryset, compiler, text, list(places)


def _alike(queryset: "QuerySet[Any, Row]") -> "tuple[QuerySet[Any, Row], Any]":
    """A queryset that has read nothing yet, and its query, which is never composed: what they are made of is
    shared, where `all` would copy it."""
    read: Any = queryset.__class__.__new__(queryset.__class__)
    read.__dict__.update(queryset.__dict__)
    query = read._query = queryset.query.__class__.__new__(queryset.query.__class__)
    query.__dict__.update(queryset.query.__dict__)
    return read, query


def _value(given: dict[str, Any], place: Any, *, adapt: bool) -> Any:
    value = given[place.name] if isinstance(place, Given) else place
    if isinstance(place, GivenMany):
        return json.dumps([adapted(one) for one in value]) if adapt else list(value)
    return adapted(value) if adapt else value


def _once_composed(compiler: Any, text: str, params: Iterable[Any]) -> Callable[..., Any]:
    """What a queryset asks for its compiler: one that knows its text, on the thread's own connection."""

    def get_compiler(using: str, **rest: object) -> Any:
        ready = copy.copy(compiler)
        ready.connection = connections[using]
        ready.as_sql = lambda: (text, params)
        return ready

    return get_compiler
