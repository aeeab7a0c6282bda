"""How PostgreSQL plans what is asked of it."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection


@contextmanager
def planned_each_time() -> Iterator[None]:
    """For a few long queries on many rows, asked again and again: each gets a plan of its own.

    A connection keeps the plans of what it asks often (PREPARED_STATEMENTS), which spares pages the time to
    plan. But a plan for any values does not know that they are few among the rows, and may read them all.
    """
    if connection.vendor != "postgresql":
        yield
        return
    connection.ensure_connection()
    asked = connection.connection
    threshold, asked.prepare_threshold = asked.prepare_threshold, None
    try:
        yield
    finally:
        asked.prepare_threshold = threshold
