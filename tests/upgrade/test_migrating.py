"""A migration to come on the last release's data: what it changes, whom it keeps waiting, who may start."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from time import monotonic

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction
from django.db.migrations.loader import MigrationLoader
from django.test import override_settings
from django.test.utils import CaptureQueriesContext

from billing.models import Invoice, Payment
from portal.database import locks, schema, versions
from portal.models import Release
from tests.portal.reservations.audit import audit
from tests.upgrade import books
from tests.upgrade import migrations as later
from tests.upgrade.conftest import migrate_to, undone

READING, WRITING = "SELECT count(*) FROM billing_invoice", "DELETE FROM billing_invoice WHERE id = 0"
READS = ("SELECT", "PRAGMA", "SAVEPOINT", "RELEASE", "BEGIN", "COMMIT")


@pytest.fixture
def version_to_come(monkeypatch) -> Iterator[str]:
    """From now on the code is that of a version with one migration more."""
    monkeypatch.setattr(versions, "version", lambda: "99")
    with override_settings(MIGRATION_MODULES={"billing": later.__name__}):
        yield "99"


@pytest.fixture
def in_a_hurry(monkeypatch) -> None:
    """Waiting for a lock takes 0.2 s, three times."""
    monkeypatch.setattr(locks, "WAITS", timedelta(seconds=0.2))


@contextmanager
def somebody(statement: str) -> Iterator[None]:
    """Another connection that has said so, in a transaction it does not end."""
    other = connection.copy()
    other.set_autocommit(False)
    try:
        with other.cursor() as cursor:
            cursor.execute(statement)
        yield
    finally:
        other.close()


def tell(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def drop_a_trigger() -> None:
    sqlite, postgresql = "billing_invoice_final_UPDATE", "billing_invoice_final ON billing_invoice"
    tell(f"DROP TRIGGER {sqlite if connection.vendor == 'sqlite' else postgresql}")


# What a migration does ----------------------------------------------------------------------------------


def test_a_data_migration_meets_the_rows_of_the_last_release(last_upgraded, version_to_come):
    before = migrate_to("billing", later.LAST).get_model("billing", "Invoice")
    payers = list(before.objects.order_by("pk").values_list("payer", flat=True))
    shouted = [payer.upper() for payer in payers]
    assert payers != shouted

    after = migrate_to("billing", later.NAME).get_model("billing", "Invoice")
    assert list(after.objects.order_by("pk").values_list("payer", flat=True)) == shouted
    assert after._meta.get_field("payer").max_length == 300

    # Final documents are final again, and nothing else has changed.
    assert schema.lacking(connection) == []
    for model, change in ((Invoice, {"payer": "Personne"}), (Payment, {"amount": 1})):
        with pytest.raises(IntegrityError), transaction.atomic():
            model.objects.update(**change)
    call_command("migrate", verbosity=0)  # what else is new since: today's code reads all of it
    audit()
    books.audit_numbers()
    books.audit_money()


# Stopping on the way ------------------------------------------------------------------------------------


@pytest.mark.long
def test_migrate_stops_at_each_migration_of_a_release_and_goes_on(left_by_0_2_0):
    """As a `migrate` that was killed."""
    loader = MigrationLoader(connection)
    leaves = loader.graph.leaf_nodes()
    plan = [key for key in loader.graph._generate_plan(leaves, True) if key not in loader.applied_migrations]
    assert ("families", "0005_histories_and_concerned") in plan
    for app, name in plan:
        migrate_to(app, name)
        assert schema.lacking(connection) == [], (app, name)
    call_command("migrate", verbosity=0)
    assert versions.hindrance(connection) == ""
    audit()
    books.audit_numbers()


# Who may start ------------------------------------------------------------------------------------------


def test_code_works_on_its_own_schema_only(last_upgraded, version_to_come):
    call_command("migrate", "billing", later.LAST, verbosity=0)
    for command in (["nightly"], ["bill_month", "2026-11"], ["load_town", "ville.yaml"], ["load_demo"]):
        with pytest.raises(CommandError, match="La base attend sa mise à jour pour le portail 99"):
            call_command(*command)
    call_command("migrate", verbosity=0)
    assert versions.hindrance(connection) == ""
    assert Release.objects.last().version == version_to_come

    with override_settings(MIGRATION_MODULES={}):
        for command in (["nightly"], ["migrate"]):
            with pytest.raises(CommandError, match="La base a été mise à jour pour le portail 99"):
                call_command(*command)


def test_a_database_without_its_triggers_is_refused(upgraded):
    with undone():
        drop_a_trigger()
        with pytest.raises(CommandError, match="Il manque à la base des protections"):
            call_command("nightly")
        schema.complete(connection)
        assert versions.hindrance(connection) == ""


def test_a_demo_of_before_the_first_version_is_told_to_reset(upgraded, settings):
    way_out = "partez d'une base vide"
    if connection.vendor == "sqlite":
        settings.VAR_DIR, way_out = Path(connection.settings_dict["NAME"]).parent, "make reset"
    with undone():
        tell("DROP TABLE portal_release")
        for command in ("migrate", "nightly", "demo"):
            with pytest.raises(CommandError, match=f"d'avant la version 0.2.0.*{way_out}"):
                call_command(command)


# Whom it keeps waiting ----------------------------------------------------------------------------------


@pytest.mark.parametrize("does", [READING, WRITING])
def test_migrate_with_nothing_to_do_writes_nothing_and_waits_for_nobody(upgraded, in_a_hurry, does):
    with somebody(does), CaptureQueriesContext(connection) as queries:
        begun = monotonic()
        call_command("migrate", verbosity=0)
        assert monotonic() - begun < 10
    assert [query["sql"] for query in queries if not query["sql"].strip().startswith(READS)] == []


def test_a_missing_trigger_is_put_back_beside_readers(upgraded, in_a_hurry):
    drop_a_trigger()
    with somebody(READING):
        call_command("migrate", verbosity=0)
    assert schema.lacking(connection) == []


def test_a_missing_trigger_behind_a_writer_is_given_up_with_a_sentence(upgraded, in_a_hurry):
    drop_a_trigger()
    if connection.vendor == "postgresql":  # SQLite has one writer at a time, and a time to wait of its own
        with somebody(WRITING), pytest.raises(CommandError, match="La base est occupée"):
            call_command("migrate", verbosity=0)
        assert schema.lacking(connection) != []
    call_command("migrate", verbosity=0)
    assert schema.lacking(connection) == []


def test_a_table_in_use_is_tried_three_times_then_left_as_it_was(last_upgraded, version_to_come, in_a_hurry):
    tries = []

    def count(execute, sql, params, many, context):
        # Its own columns, or a foreign key of a new table.
        tries.extend([sql] if sql.startswith("ALTER TABLE") and '"billing_invoice"' in sql else [])
        return execute(sql, params, many, context)

    if connection.vendor == "postgresql":
        refused = pytest.raises(CommandError, match="La base est occupée")
        with somebody(WRITING), connection.execute_wrapper(count), refused:
            call_command("migrate", verbosity=0)
        assert len(tries) == locks.TRIES
        assert "La base attend sa mise à jour" in versions.hindrance(connection)
    call_command("migrate", verbosity=0)
    assert versions.hindrance(connection) == ""
