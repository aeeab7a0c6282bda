"""Queries that get a plan of their own each time, where the database keeps plans."""

from django.db import connection

from portal.database.query_plans import planned_each_time


def keeps_plans() -> bool:
    connection.ensure_connection()
    return getattr(connection.connection, "prepare_threshold", None) is not None


def test_plans_are_kept_but_for_what_asks_not_to(db):
    before = keeps_plans()
    assert before == (connection.vendor == "postgresql")
    with planned_each_time():
        assert not keeps_plans()
    assert keeps_plans() == before
