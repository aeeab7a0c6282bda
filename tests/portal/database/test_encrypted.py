"""Encrypted columns: what the database holds, what Python sees, what becomes of a value that no key opens."""

import copy
import pickle
from datetime import date
from time import process_time

import pytest
from django.apps import apps
from django.core.exceptions import FieldError, ValidationError
from django.db import connection, transaction
from hypothesis import given
from hypothesis import strategies as st

from billing.models import DebitFile, Mandate
from families.models import ChildHealth
from portal.database import rotating
from portal.database.encrypted import KEPT_AS_IT_IS, Encrypted, Following, NeverOverwritten, Unreadable
from portal.database.field_keys import is_encrypted
from portal.demo.rows import Table
from tests.conftest import NOW, on_the_database
from tests.factories import ChildFactory, HealthFactory

IBAN, OTHER_IBAN = "FR1420041010050500013M02606", "FR7630006000011234567890189"
OLD, NEW = "old-" * 12, "new-" * 12
NOTES = {
    "allergens": ["peanuts", "milk"],
    "allergies": "Même en traces.\nAdrénaline dans le sac.",
    "treatment": "Ventoline",
    "doctor": "Dr Adam",
    "doctor_phone": "01 99 00 12 34",
}


def raw(row):
    """What the database keeps of a row, by column."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {row._meta.db_table} WHERE {row._meta.pk.column} = %s", [row.pk])
        (values,) = cursor.fetchall()
        return dict(zip((column[0] for column in cursor.description), values, strict=True))


def kept(row):
    """The encrypted columns among them."""
    found = raw(row)
    return {field.name: found[field.column] for field in rotating.encrypted_fields(type(row))}


@pytest.fixture
def notes(db):
    return HealthFactory(**NOTES)


@pytest.fixture
def mandate(books):
    return Mandate.objects.create(
        household=books.household, rum="R-1", debtor="Roux", iban=IBAN, signed_on=date(2026, 9, 1)
    )


@pytest.fixture
def usual(settings):
    """The keys with which a test begins."""
    return settings.FIELD_KEYS


@pytest.fixture
def lost(notes, usual, settings):
    """The same notes once their key is lost."""
    settings.FIELD_KEYS = [NEW]
    return ChildHealth.objects.get(pk=notes.pk)


# What is kept -------------------------------------------------------------------------------------------


def test_the_database_reads_none_of_a_childs_notes(notes):
    assert all(is_encrypted(value) for value in kept(notes).values())
    assert set(kept(notes)) == set(NOTES)
    found = ChildHealth.objects.get(pk=notes.pk)
    assert {name: getattr(found, name) for name in NOTES} == NOTES
    assert ChildHealth.objects.values(*NOTES).get() == NOTES


def test_nor_the_ibans_of_families_their_histories_and_the_banks_files(mandate):
    file = DebitFile.objects.create(message="1", collected_on=date(2026, 12, 1), content=IBAN, made_at=NOW)
    mandate.iban = "FR76 3000 6000 0112 3456 7890 189"
    mandate.save()
    rows = [mandate, *mandate.history.all(), file]
    assert all(is_encrypted(value) for row in rows for value in kept(row).values())
    assert not any(sign in str(raw(row)) for row in rows for sign in (IBAN, OTHER_IBAN))
    assert [row.iban for row in mandate.history.all()] == [OTHER_IBAN, IBAN]
    assert [row.iban_end for row in mandate.history.all()] == ["0189", "2606"]
    assert DebitFile.objects.get().content == IBAN


def test_every_way_of_writing_many_rows_encrypts(db):
    made = ChildHealth.objects.bulk_create(HealthFactory.build(child=ChildFactory(), **NOTES) for _ in "ab")
    for row in made:
        row.treatment = "Aucun"
    ChildHealth.objects.bulk_update(made, ["treatment"])
    ChildHealth.objects.update(doctor="Dr Blanc")
    for row in made:
        assert all(is_encrypted(value) for value in kept(row).values())
        row.refresh_from_db()
        assert (row.treatment, row.doctor, row.allergens) == ("Aucun", "Dr Blanc", ["peanuts", "milk"])


def test_the_demos_fast_way_does_too(db):
    child = ChildFactory()
    table = Table(ChildHealth, ["child_id", "has_pai", "updated_at", *NOTES])
    table.add(child.pk, False, NOW, *NOTES.values())
    table.write()
    notes = ChildHealth.objects.get(child=child)
    assert {name: getattr(notes, name) for name in NOTES} == NOTES
    assert all(is_encrypted(value) for value in kept(notes).values())


def test_what_is_empty_stays_empty(db):
    empty = HealthFactory(doctor="")
    assert set(kept(empty).values()) == {""}
    empty.refresh_from_db()
    assert (empty.allergens, empty.allergies, empty.doctor_phone) == ([], "", "")


def test_what_an_older_version_left_in_clear_is_read(notes):
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE families_childhealth SET allergies = 'Arachide', doctor_phone = '+33199001235'"
        )
    found = ChildHealth.objects.get()
    assert (found.allergies, found.doctor_phone) == ("Arachide", "01 99 00 12 35")


@on_the_database
@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=2000))
def test_any_text_comes_back(db, text):
    notes = HealthFactory(allergies=text, treatment=text)
    notes.refresh_from_db()
    assert (notes.allergies, notes.treatment) == (text, text)
    notes.child.delete()


@pytest.mark.parametrize("lookup", ["allergies", "allergies__icontains", "allergies__in", "allergies__gt"])
def test_no_query_compares_an_encrypted_column(db, lookup):
    with pytest.raises(FieldError):
        list(ChildHealth.objects.filter(**{lookup: "Arachide"}))
    assert not ChildHealth.objects.filter(allergies__isnull=True).exists()


def test_columns_are_text_whatever_a_form_may_hold(db):
    with connection.cursor() as cursor:
        for model in rotating.tables():
            columns = {
                one.name: one
                for one in connection.introspection.get_table_description(cursor, model._meta.db_table)
            }
            for field in rotating.encrypted_fields(model):
                kind = connection.introspection.get_field_type(
                    columns[field.column].type_code, columns[field.column]
                )
                assert kind == "TextField", field


# An IBAN's end and fingerprint ----------------------------------------------------------------------------


def test_an_account_is_told_by_its_end_and_found_again_by_its_fingerprint(mandate, waits):
    assert (mandate.iban_end, mandate.account) == ("2606", "…2606")
    assert IBAN not in mandate.iban_fingerprint
    same = Mandate.objects.create(
        household=waits.household, rum="R-2", debtor="Petit", iban=IBAN, signed_on=date(2026, 9, 1)
    )
    assert same.iban_fingerprint == mandate.iban_fingerprint
    assert list(Mandate.objects.of_account(IBAN).order_by("pk")) == [mandate, same]
    assert not Mandate.objects.of_account(OTHER_IBAN).exists()


def test_doubles_are_found_under_two_keys_as_long_as_a_rotation_takes(mandate, waits, settings):
    settings.FIELD_KEYS = [NEW, *settings.FIELD_KEYS]
    same = Mandate.objects.create(
        household=waits.household, rum="R-2", debtor="Petit", iban=IBAN, signed_on=date(2026, 9, 1)
    )
    assert same.iban_fingerprint != mandate.iban_fingerprint
    assert list(Mandate.objects.of_account(IBAN).order_by("pk")) == [mandate, same]
    rotating.encrypt(Mandate)
    settings.FIELD_KEYS = [NEW]
    assert list(Mandate.objects.of_account(IBAN).order_by("pk")) == [mandate, same]


# A value that no key opens --------------------------------------------------------------------------------


def test_it_is_called_illegible(lost):
    assert {name: str(getattr(lost, name)) for name in NOTES} == dict.fromkeys(NOTES, "illisible")
    assert lost.known_allergies == "illisible. illisible"


def test_saving_the_row_keeps_what_the_column_kept(lost):
    before = kept(lost)
    lost.has_pai = True
    lost.save()
    assert kept(lost) == before
    ChildHealth.objects.bulk_update([lost], ["allergies", "allergens"])
    assert kept(lost) == before
    assert raw(lost)["has_pai"] in (True, 1)


@pytest.mark.parametrize(
    ("name", "value"),
    [("allergens", ["eggs"]), *((name, text) for name in list(NOTES)[1:] for text in ("autre chose", ""))],
)
def test_nothing_is_written_over_it(lost, name, value):
    before = kept(lost)
    for again in (value, value):
        setattr(lost, name, again)
        with pytest.raises(NeverOverwritten), transaction.atomic():
            lost.save()
        with pytest.raises(ValidationError) as refused:
            lost.full_clean()
        assert refused.value.message_dict[name] == [KEPT_AS_IT_IS]
    with pytest.raises(NeverOverwritten), transaction.atomic():
        lost.save(update_fields=[name])
    assert kept(lost) == before


def test_the_word_sent_back_by_a_form_is_no_new_text(lost):
    before = kept(lost)
    for name in NOTES:
        setattr(lost, name, [] if name == "allergens" else "illisible")
    lost.full_clean()
    lost.save()
    assert kept(lost) == before


def test_it_is_read_again_once_its_key_is_back(lost, usual, settings):
    settings.FIELD_KEYS = [NEW, *usual]
    found = ChildHealth.objects.get(pk=lost.pk)
    assert {name: getattr(found, name) for name in NOTES} == NOTES


def test_it_survives_being_copied_and_handed_to_another_process(lost):
    for again in (
        copy.copy(lost.allergies),
        copy.deepcopy(lost.allergies),
        pickle.loads(pickle.dumps(lost.allergies)),  # noqa: S301 our own
    ):
        assert isinstance(again, Unreadable)
        assert (again.kept, again.replaced) == (lost.allergies.kept, False)


def test_an_iban_that_is_lost_keeps_its_end(mandate, usual, settings):
    settings.FIELD_KEYS = [NEW]
    found = Mandate.objects.get()
    found.debtor = "Roux et fils"
    found.save()
    assert (found.iban, found.iban_end) == ("illisible", "2606")
    settings.FIELD_KEYS = [NEW, *usual]
    assert [row.iban for row in Mandate.objects.all()] == [IBAN]
    assert [row.iban for row in found.history.all()] == [IBAN, IBAN]


# How long it takes ----------------------------------------------------------------------------------------


def test_a_list_of_three_hundred_children_is_read_at_once(db):
    notes = [HealthFactory.build(child=ChildFactory(), **NOTES) for _ in range(300)]
    ChildHealth.objects.bulk_create(notes)
    begun = process_time()
    assert len([row.known_allergies for row in ChildHealth.objects.all()]) == 300
    assert process_time() - begun < 0.5


# Every model --------------------------------------------------------------------------------------------


def test_no_iban_of_a_family_and_no_note_stands_in_clear():
    """The town's own IBANs are printed on each invoice, what a dish is made of on each menu."""
    issuers = ("BillingSettings", "HistoricalBillingSettings", "Regie", "HistoricalRegie")
    public = {*((name, "iban") for name in issuers), ("Dish", "allergens")}
    words = ("iban", "allerg", "treatment", "doctor")
    for model in apps.get_models(include_auto_created=True):
        for field in model._meta.local_concrete_fields:
            if field.name.startswith(words) and (model.__name__, field.name) not in public:
                assert isinstance(field, Encrypted | Following), field
