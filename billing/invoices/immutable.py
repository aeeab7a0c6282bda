"""Issued documents never change, and the database itself says so: triggers on SQLite and PostgreSQL.

They are installed after every `migrate` (SQLite drops a table's triggers when a migration rebuilds it). A
data migration over these tables, or a test that empties the database, lifts them with `lifted()`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections

REFUSAL = "Un document émis ne change plus : seul un avoir y répond."
FINAL = ("billing_invoice", "billing_invoiceline", "billing_billeditem", "billing_creditnote")
# A payment's state may change; its amount, its payer and its number never do.
PAYMENT = "billing_payment"
PAYMENT_COLUMNS = "amount, household_id, number, series, year, sequence, means"
TOO_MANY = """(SELECT count(*) FROM billing_invoiceline WHERE invoice_id = NEW.invoice_id)
    >= (SELECT line_count FROM billing_invoice WHERE id = NEW.invoice_id)"""

SQLITE = {
    **{
        f"{table}_final_{event}": f"BEFORE {event} ON {table} BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END"
        for table in FINAL
        for event in ("UPDATE", "DELETE")
    },
    "billing_invoiceline_complete": (
        f"BEFORE INSERT ON billing_invoiceline WHEN {TOO_MANY} BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END"
    ),
    "billing_payment_final_DELETE": (
        f"BEFORE DELETE ON {PAYMENT} BEGIN SELECT RAISE(ABORT, 'Un règlement ne s''efface pas.'); END"
    ),
    "billing_payment_final_UPDATE": (
        f"BEFORE UPDATE OF {PAYMENT_COLUMNS} ON {PAYMENT}"
        " BEGIN SELECT RAISE(ABORT, 'Le montant d''un règlement ne change pas.'); END"
    ),
}
POSTGRESQL_FUNCTIONS = f"""
CREATE OR REPLACE FUNCTION billing_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION '{REFUSAL}' USING ERRCODE = 'integrity_constraint_violation'; END $$;
CREATE OR REPLACE FUNCTION billing_refuse_line() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF {TOO_MANY} THEN
        RAISE EXCEPTION '{REFUSAL}' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
"""
POSTGRESQL = {
    **{
        f"{table}_final": f"BEFORE UPDATE OR DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION billing_refuse()"
        for table in FINAL
    },
    "billing_invoiceline_complete": (
        "BEFORE INSERT ON billing_invoiceline FOR EACH ROW EXECUTE FUNCTION billing_refuse_line()"
    ),
    "billing_payment_final_delete": (
        f"BEFORE DELETE ON {PAYMENT} FOR EACH ROW EXECUTE FUNCTION billing_refuse()"
    ),
    "billing_payment_final_update": (
        f"BEFORE UPDATE OF {PAYMENT_COLUMNS} ON {PAYMENT} FOR EACH ROW EXECUTE FUNCTION billing_refuse()"
    ),
}


def _table(name: str) -> str:
    return next(table for table in (*FINAL, PAYMENT) if name.startswith(f"{table}_"))


def install(using: str = DEFAULT_DB_ALIAS) -> None:
    """Creates the triggers where they are missing; nothing while the tables are not there yet."""
    connection = connections[using]
    if not {*FINAL, PAYMENT} <= set(connection.introspection.table_names()):
        return
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            for name, body in SQLITE.items():
                cursor.execute(f"CREATE TRIGGER IF NOT EXISTS {name} {body}")
        elif connection.vendor == "postgresql":
            cursor.execute(POSTGRESQL_FUNCTIONS)
            for name, body in POSTGRESQL.items():
                cursor.execute(f"DROP TRIGGER IF EXISTS {name} ON {_table(name)}")
                cursor.execute(f"CREATE TRIGGER {name} {body}")


def lift(using: str = DEFAULT_DB_ALIAS) -> None:
    """Removes the triggers."""
    connection = connections[using]
    tables = set(connection.introspection.table_names())
    with connection.cursor() as cursor:
        for name in SQLITE if connection.vendor == "sqlite" else POSTGRESQL:
            if connection.vendor == "sqlite":
                cursor.execute(f"DROP TRIGGER IF EXISTS {name}")
            elif _table(name) in tables:
                cursor.execute(f"DROP TRIGGER IF EXISTS {name} ON {_table(name)}")


@contextmanager
def lifted(using: str = DEFAULT_DB_ALIAS) -> Iterator[None]:
    """For the time of a data migration or of emptying a test database, without the triggers."""
    lift(using)
    try:
        yield
    finally:
        install(using)


def install_after_migrate(using: str = DEFAULT_DB_ALIAS, **kwargs: Any) -> None:
    """Receiver of `post_migrate`."""
    install(using)
