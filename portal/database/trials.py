"""Trial households: rows that nobody reads but who tries, said once for every reader.

    objects = manager_of(BookingQuerySet)     the manager of a model whose rows belong to a household
    with trying(Tried(household, address)):   within, the rows of that one are read like any other
    current()                                 what is tried now, None everywhere else

A reader that knows nothing of trials counts none: their rows are left out by the managers, not by those who
ask. What is read through `_base_manager`, and rows that a foreign key leads to, are all there.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar

from django.db import DEFAULT_DB_ALIAS, connections, models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Field, Lookup, Q
from django.db.models.sql import Query
from django.db.models.sql.compiler import SQLCompiler

Row = TypeVar("Row", bound=models.Model)

# The column of a household, and the keys that lead from other rows to one: the first that a model has.
MARK = "trial"
WAYS = ("household", "reservation", "booking", "move", "child")


@dataclass(frozen=True)
class Tried:
    """The household (its key) that is tried, and the address of who tries: its mails go there."""

    household: int
    address: str


_now: ContextVar[Tried | None] = ContextVar("tried", default=None)


def current() -> Tried | None:
    """What is tried by who asks for this page."""
    return _now.get()


@contextmanager
def trying(tried: Tried) -> Iterator[None]:
    """Within, the rows of this trial household are read, and what is posted goes to who tries."""
    token = _now.set(tried)
    try:
        yield
    finally:
        _now.reset(token)


class TrialsApart(models.Manager[Row]):
    """Without the rows of trial households, but of the one that is tried now."""

    def get_queryset(self) -> models.QuerySet[Row]:
        rows = super().get_queryset()
        # Asked of most queries of every page: to filter anew would cost more than what the database does.
        rows.query = _query_apart(self.model, current()).clone()
        return rows


@lru_cache(maxsize=256)
def _query_apart(model: type[models.Model], tried: Tried | None) -> Query:
    """As a new queryset of this model begins; whoever takes it takes a copy."""
    return models.QuerySet(model).filter(_apart(model, tried)).query


def _apart(model: type[models.Model], tried: Tried | None) -> Q:
    own = None if tried is None else tried.household
    way = _way(model)
    if way is None:
        return Q(pk__outside_trials=(model, own))
    return Q(**{f"{way.name}__pk__outside_trials": (way.related_model, own)})


def every_row(model: type[Row]) -> models.QuerySet[Row]:
    """All rows of a model, whatever its manager leaves out, but for trial households'."""
    rows = model._base_manager.all()
    return rows.filter(_apart(model, current())) if isinstance(model._default_manager, TrialsApart) else rows


def trial_rows(model: type[Row]) -> models.QuerySet[Row]:
    """The rows that a model's manager leaves out, for who would remove what they stand on."""
    return model._base_manager.exclude(_apart(model, None))


def _way(model: type[models.Model]) -> Any:
    """The key by which rows lead to a household; None of households, and of children, whose homes do."""
    fields: dict[str, Any] = {field.name: field for field in model._meta.get_fields()}
    if MARK in fields or "households" in fields:
        return None
    return next(fields[name] for name in WAYS if name in fields)


@Field.register_lookup
class OutsideTrials(Lookup[Any]):
    """Of a key: that it is no trial household's, of the model on the right, nor of any but one's own."""

    lookup_name = "outside_trials"
    prepare_rhs = False

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> tuple[str, Any]:
        column, params = self.process_lhs(compiler, connection)
        model, own = self.rhs
        # The keys are few, and found by an index of them alone: nothing is asked of the rows themselves.
        return f"{column} NOT IN ({_keys_for(model, connection.vendor, own)})", params


@lru_cache(maxsize=256)
def _keys_for(model: type[models.Model], vendor: str, own: int | None) -> str:
    """The text of `keys_of` for the database in use, written once for each kind of database."""
    return keys_of(model, connections[DEFAULT_DB_ALIAS], own=own)


def keys_of(model: type[models.Model], connection: BaseDatabaseWrapper, *, own: int | None = None) -> str:
    """The query of the keys of a model's rows that are a trial household's, other than `own`."""
    quoted = connection.ops.quote_name
    fields: dict[str, Any] = {field.name: field for field in model._meta.get_fields()}
    table = quoted(model._meta.db_table)
    if MARK in fields:
        but = "" if own is None else f" AND id <> {own:d}"
        return f"SELECT id FROM {table} WHERE {quoted(MARK)}{but}"  # noqa: S608 our names, and a number
    if "households" in fields:
        homes = fields["households"].remote_field.through
        inner = keys_of(fields["households"].related_model, connection, own=own)
        return f"SELECT child_id FROM {quoted(homes._meta.db_table)} WHERE household_id IN ({inner})"  # noqa: S608
    way = _way(model)
    inner = keys_of(way.related_model, connection, own=own)
    return f"SELECT id FROM {table} WHERE {quoted(way.column)} IN ({inner})"  # noqa: S608 our names
