"""What the last version kept in clear is encrypted by the migration, and reads as it did."""

from django.core.management import call_command
from django.db import connection

from billing.models import DebitFile, Mandate
from families.models import ChildHealth
from portal.database import rotating
from portal.database.encrypted import keys
from portal.database.field_keys import is_encrypted
from portal.french import phones

COLUMNS = {
    "families_childhealth": ("id", ["allergies", "treatment", "doctor", "doctor_phone"]),
    "billing_mandate": ("id", ["iban"]),
    "billing_historicalmandate": ("history_id", ["iban"]),
    "billing_debitfile": ("id", ["content"]),
}


def kept(table):
    """The values of its columns as the database keeps them, by row and column."""
    key, columns = COLUMNS[table]
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join([key, *columns])} FROM {table} ORDER BY 1")
        return {row: dict(zip(columns, values, strict=True)) for row, *values in cursor.fetchall()}


def test_what_was_in_clear_is_encrypted_and_reads_as_it_did(left_by_0_2_0):
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE families_childhealth SET doctor_phone = '+33199001234', allergies = %s"
            " WHERE id = (SELECT min(id) FROM families_childhealth)",
            ["Arachide, même en traces. " * 70],
        )
    before = {table: kept(table) for table in COLUMNS}
    assert all(before.values()), "the release has rows of each"
    assert not any(is_encrypted(v) for rows in before.values() for row in rows.values() for v in row.values())

    call_command("migrate", verbosity=0)
    for table, rows in before.items():
        now = kept(table)
        assert set(now) == set(rows)
        for key, row in rows.items():
            for column, clear in row.items():
                value = now[key][column]
                assert (is_encrypted(value) and keys().decrypt(value) == clear) if clear else value == clear

    health = before["families_childhealth"]
    for notes in ChildHealth.objects.all():
        was = health[notes.pk]
        assert {name: getattr(notes, name) for name in ("allergies", "treatment", "doctor")} == {
            name: was[name] for name in ("allergies", "treatment", "doctor")
        }
        assert notes.doctor_phone == phones.shown(was["doctor_phone"])
        assert notes.allergens == [], "the text stays as it is"
    for mandate in [*Mandate.objects.all(), *Mandate.history.all()]:
        clear = before["billing_mandate"][getattr(mandate, "id", mandate.pk)]["iban"]
        assert (mandate.iban, mandate.iban_end) == (clear, clear[-4:])
    for mandate in Mandate.objects.all():
        assert Mandate.objects.of_account(mandate.iban).get() == mandate
    assert all(
        file.content == before["billing_debitfile"][file.pk]["content"] for file in DebitFile.objects.all()
    )


def test_its_key_can_be_replaced(left_by_0_2_0, settings):
    call_command("migrate", verbosity=0)
    ibans = list(Mandate.objects.order_by("pk").values_list("iban", flat=True))
    settings.FIELD_KEYS = ["another key of forty characters, or more", *settings.FIELD_KEYS]
    call_command("rotate_keys", verbosity=0)
    settings.FIELD_KEYS = settings.FIELD_KEYS[:1]
    assert ibans and list(Mandate.objects.order_by("pk").values_list("iban", flat=True)) == ibans
    for table in map(rotating.count, rotating.tables()):
        assert set(table) <= {keys().newest.name}
