"""What the schema needs beyond its models is there, after `migrate` and in the suite alike, and costs nothing
where it is there already."""

import pytest
from django.core.management import call_command
from django.db import IntegrityError, OperationalError, connection, transaction
from django.test.utils import CaptureQueriesContext

from billing.models import Invoice
from portal.database import locks, schema
from portal.database.schema import PieceKind, SchemaPart, SchemaPiece
from tests.factories import InvoiceFactory

FINAL = {"sqlite": "billing_invoice_final_UPDATE", "postgresql": "billing_invoice_final"}
SHELF = SchemaPart(
    "tests.shelf",
    {
        vendor: [
            SchemaPiece(PieceKind.INDEX, "child_by_day", "ON families_child (birth_date)", "families_child")
        ]
        for vendor in ("sqlite", "postgresql")
    },
)
READS = ("SELECT", "PRAGMA", "SAVEPOINT", "RELEASE", "BEGIN", "COMMIT")


def names(pieces: list[SchemaPiece]) -> list[str]:
    return [piece.name for piece in pieces]


def drop(name: str, table: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TRIGGER {name}" + (f" ON {table}" if connection.vendor != "sqlite" else ""))


def test_the_suites_database_lacks_nothing(db):
    assert schema.lacking(connection) == []


def test_migrate_with_nothing_to_do_writes_nothing(db):
    call_command("migrate", verbosity=0)  # a test before may have emptied the list of versions
    with CaptureQueriesContext(connection) as queries:
        call_command("migrate", verbosity=0)
    assert [query["sql"] for query in queries if not query["sql"].strip().startswith(READS)] == []


def test_a_missing_trigger_is_put_back_by_migrate(db):
    invoice = InvoiceFactory()
    drop(FINAL[connection.vendor], "billing_invoice")
    assert names(schema.lacking(connection)) == [FINAL[connection.vendor]]
    call_command("migrate", verbosity=0)
    assert schema.lacking(connection) == []
    with pytest.raises(IntegrityError, match="Un document émis ne change plus"), transaction.atomic():
        Invoice.objects.filter(pk=invoice.pk).update(total=1)


def test_an_older_definition_is_replaced(db):
    name = FINAL[connection.vendor]
    drop(name, "billing_invoice")
    older = {
        "sqlite": "BEFORE UPDATE ON billing_invoice BEGIN SELECT 1; END",
        "postgresql": "BEFORE UPDATE ON billing_invoice FOR EACH ROW EXECUTE FUNCTION billing_refuse()",
    }
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TRIGGER {name} {older[connection.vendor]}")
    assert names(schema.lacking(connection)) == [name]
    schema.complete(connection)
    assert schema.lacking(connection) == []


def test_an_app_adds_an_index_which_waits_for_its_table(db, monkeypatch):
    monkeypatch.setattr(schema, "_parts", {})
    schema.register(SHELF)
    assert names(schema.lacking(connection)) == ["child_by_day"]
    schema.complete(connection)
    assert schema.lacking(connection) == []
    with connection.cursor() as cursor:
        indexes = connection.introspection.get_constraints(cursor, "families_child")
    assert indexes["child_by_day"]["columns"] == ["birth_date"]

    other = SchemaPart(
        "tests.shelf", {connection.vendor: [SchemaPiece(PieceKind.INDEX, "nowhere", "ON none (id)", "none")]}
    )
    schema.register(other)
    assert schema.lacking(connection) == []


@pytest.mark.parametrize("kind", [PieceKind.INDEX, PieceKind.TRIGGER])
def test_a_piece_waits_for_the_columns_that_it_names(db, kind):
    """As between two migrations, of which the second adds the column."""
    bodies = {
        PieceKind.INDEX: "ON families_child ({})",
        PieceKind.TRIGGER: {
            "sqlite": "BEFORE UPDATE OF {} ON families_child BEGIN SELECT 1; END",
            "postgresql": "BEFORE UPDATE OF {} ON families_child FOR EACH ROW"
            " EXECUTE FUNCTION billing_refuse()",
        }[connection.vendor],
    }
    there, to_come = (
        SchemaPiece(kind, f"on_{column}", bodies[kind].format(column), "families_child", frozenset([column]))
        for column in ("birth_date", "to_come")
    )
    part = SchemaPart("tests.columns", {connection.vendor: [there, to_come]})
    assert part.missing(connection) == [there]
    part.install(connection)
    assert part.missing(connection) == []


def test_an_extension_is_asked_for_where_it_is_missing(db):
    there, absent = (
        SchemaPiece(PieceKind.EXTENSION, "plpgsql"),
        SchemaPiece(PieceKind.EXTENSION, "unheard_of"),
    )
    part = SchemaPart("tests.extensions", {"postgresql": [there, absent]})
    assert part.missing(connection) == ([absent] if connection.vendor == "postgresql" else [])
    assert absent.making("postgresql") == ["CREATE EXTENSION IF NOT EXISTS unheard_of"]


def test_what_only_makes_things_faster_is_left_out_where_it_cannot_be(db):
    table = "families_child"
    pieces = [
        SchemaPiece(PieceKind.EXTENSION, "unheard_of"),
        SchemaPiece(PieceKind.INDEX, "fast", f"ON {table} (birth_date)", table, needs="unheard_of"),
        SchemaPiece(PieceKind.INDEX, "plain", f"ON {table} (birth_date)", table),
    ]
    part = SchemaPart("tests.faster", {"postgresql": pieces, "sqlite": pieces[2:]}, where_possible=True)
    assert part.missing(connection) == pieces[2:]
    part.install(connection)
    assert part.missing(connection) == []


def test_a_role_that_may_make_nothing_has_no_extension_of_its_own(db):
    (found,) = (part for part in schema.parts() if part.name == "families.found")
    asked = [one for one in found.pieces[connection.vendor] if one.kind is PieceKind.EXTENSION]
    assert bool(asked) == (connection.vendor == "postgresql"), "SQLite has neither roles nor extensions"
    if not asked:
        return
    with connection.cursor() as cursor:
        assert schema._can_be_made(cursor, {"pg_trgm", "unheard_of"}) == {"pg_trgm"}
        cursor.execute("CREATE ROLE only_reads")
        cursor.execute("SET LOCAL ROLE only_reads")
        assert schema._can_be_made(cursor, {"pg_trgm", "unheard_of"}) == set()
        cursor.execute("RESET ROLE")


def test_a_data_migration_lifts_the_triggers_for_its_time(db):
    invoice = InvoiceFactory()
    with schema.lifted("billing.final", connection):
        Invoice.objects.filter(pk=invoice.pk).update(payer="Camille Roux-Petit")
    assert schema.lacking(connection) == []
    invoice.refresh_from_db()
    assert invoice.payer == "Camille Roux-Petit"


def test_a_data_migration_that_fails_brings_the_triggers_back(db):
    invoice = InvoiceFactory()
    with pytest.raises(IntegrityError), schema.lifted("billing.final", connection):
        Invoice.objects.filter(pk=invoice.pk).update(payer="Personne", number=None)
    assert schema.lacking(connection) == []
    invoice.refresh_from_db()
    assert invoice.payer == "Camille Roux"


def test_sqlite_alone_lifts_them_before_tables_change(db):
    schema.lift_before_tables_change(using="default", plan=[])
    assert schema.lacking(connection) == []
    schema.lift_before_tables_change(using="default", plan=["a migration"])
    assert bool(schema.lacking(connection)) == (connection.vendor == "sqlite")


def test_other_troubles_than_a_lock_are_not_tried_again(db):
    tries = []

    def fail() -> None:
        tries.append(1)
        raise OperationalError("the server went away")

    with pytest.raises(OperationalError, match="went away"):
        locks.patiently(connection, fail)
    assert len(tries) == 1
