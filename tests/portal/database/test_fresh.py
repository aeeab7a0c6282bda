"""A new database, made at once, is the one that all migrations make."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db.migrations import RunPython, RunSQL, SeparateDatabaseAndState
from django.db.migrations.loader import MigrationLoader

from portal.database import fresh
from tests import processes

# Migrations that only correct, or carry on, rows of before: an empty portal has none.
OF_BEFORE = {
    ("billing", "0004_encrypt_ibans"),
    ("billing", "0011_accounts_of_before"),
    ("billing", "0013_where_billing_began"),
    ("billing", "0015_cash_desk"),
    ("billing", "0017_payments_put_right"),
    ("billing", "0019_seals_of_before"),
    ("catering", "0003_meals_of_the_canteen"),
    ("families", "0003_account_names_and_counters"),
    ("families", "0006_encrypt_health"),
    ("families", "0013_fold_names"),
    ("families", "0016_what_diets_leave_out"),
    ("reservations", "0002_staff_rights"),
    ("reservations", "0003_dated_schooling_and_enrolment"),
    ("reservations", "0015_what_homes_say_of_diets"),
}
OURS = {"billing", "catering", "families", "leisure", "portal", "reservations"}
# Numbers drawn from the order in which things were made, and moments.
UNORDERED = ("id", "content_type_id", "permission_id", "group_id", "applied", "since", "history_id")
# Django's own table between groups and rights is numbered otherwise by its migrations than by its models, on
# PostgreSQL; nothing refers to these numbers.
BETWEEN_GROUPS = "auth_group_permissions.id"
NUMBERED = {"integer int4 32 0 NO YES BY DEFAULT", "bigint int8 64 0 NO YES BY DEFAULT"}


def writes_by_hand(operations: list[Any]) -> bool:
    return any(
        isinstance(one, RunPython | RunSQL)
        or (isinstance(one, SeparateDatabaseAndState) and writes_by_hand(one.database_operations))
        for one in operations
    )


def test_of_each_migration_that_writes_rows_it_is_said_whether_an_empty_portal_gets_them(settings):
    """The next one has its line in OF_BEFORE, or is registered by its app."""
    settings.MIGRATION_MODULES = {}
    found = {
        key
        for key, migration in (MigrationLoader(None).disk_migrations or {}).items()
        if key[0] in OURS and writes_by_hand(migration.operations)
    }
    registered = set(fresh.with_first_rows())
    assert found == OF_BEFORE | registered
    assert not OF_BEFORE & registered


def pieces(statement: str) -> frozenset[str]:
    """What stands between the outer commas of CREATE TABLE: columns and constraints, in any order."""
    inside, depth, found = statement[statement.index("(") + 1 : statement.rindex(")")], 0, [""]
    for sign in inside:
        depth += {"(": 1, ")": -1}.get(sign, 0)
        if sign == "," and not depth:
            found.append("")
        else:
            found[-1] += sign
    return frozenset(" ".join(piece.split()) for piece in found)


def sqlite_schema(cursor: Any) -> dict[str, object]:
    cursor.execute("SELECT name, type, sql FROM sqlite_master WHERE sql IS NOT NULL")
    return {
        name: pieces(sql) if kind == "table" and not name.startswith("sqlite_") else sql
        for name, kind, sql in cursor.fetchall()
    }


POSTGRESQL_SCHEMA = """
    SELECT table_name || '.' || column_name, concat_ws(' ', data_type, udt_name, character_maximum_length,
           numeric_precision, numeric_scale, is_nullable, column_default, is_identity, identity_generation)
    FROM information_schema.columns WHERE table_schema = 'public'
    UNION ALL SELECT conname || ' on ' || conrelid::regclass, pg_get_constraintdef(oid) FROM pg_constraint
    WHERE connamespace = 'public'::regnamespace
    UNION ALL SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'
    UNION ALL SELECT tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
"""


def rows_of(cursor: Any, table: str) -> list[str]:
    cursor.execute(f'SELECT * FROM "{table}"')
    names = [column[0] for column in cursor.description]
    return sorted(
        repr([value for name, value in zip(names, row, strict=True) if name not in UNORDERED])
        for row in cursor.fetchall()
    )


def seen(address: str) -> tuple[dict[str, object], dict[str, list[str]]]:
    """The schema, and the rows of each table."""
    if address.startswith("postgres"):
        with psycopg.connect(address) as there, there.cursor() as cursor:
            cursor.execute(POSTGRESQL_SCHEMA)
            schema: dict[str, object] = dict(cursor.fetchall())
            cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
            return schema, {table: rows_of(cursor, table) for (table,) in cursor.fetchall()}
    with closing(sqlite3.connect(address.removeprefix(processes.SQLITE))) as there:
        cursor = there.cursor()
        schema = sqlite_schema(cursor)
        cursor.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        return schema, {table: rows_of(cursor, table) for (table,) in cursor.fetchall()}


@pytest.mark.long
@pytest.mark.parametrize("database", ["sqlite", "its own"])
def test_a_new_database_is_the_one_that_all_migrations_make(database: str, db, tmp_path: Path):
    found = []
    for called, option in [("at_once", "--no-color"), ("one_by_one", "--fake-initial")]:
        folder = tmp_path / called
        folder.mkdir()
        server = "" if database == "sqlite" else None
        with processes.own_database(folder, server=server, called=called) as address:
            processes.run(
                "manage.py",
                "migrate",
                "-v0",
                option,
                env=processes.environment(address, folder),
                timeout=1800,
            )
            found.append(seen(address))
    (schema, rows), (walked_schema, walked_rows) = found
    if BETWEEN_GROUPS in schema:
        assert {schema.pop(BETWEEN_GROUPS), walked_schema.pop(BETWEEN_GROUPS)} == NUMBERED
    assert schema == walked_schema
    assert rows == walked_rows
