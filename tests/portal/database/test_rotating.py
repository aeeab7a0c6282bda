"""`manage.py rotate_keys`: another key, for rows and histories, half-way and on."""

import signal
import subprocess
import sys
from datetime import date
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from billing.models import DebitFile, Mandate
from families.models import ChildHealth
from portal.database import rotating
from portal.database.encrypted import keys
from tests import ROOT
from tests.conftest import NOW
from tests.factories import ChildFactory, HealthFactory
from tests.portal.database.test_encrypted import IBAN, NEW, NOTES, kept
from tests.processes import environment, own_database


def rotate(*arguments):
    out = StringIO()
    call_command("rotate_keys", *arguments, stdout=out)
    return out.getvalue()


def names():
    """Under which keys each table's values are."""
    return {
        model.__name__: dict(rotating.count(model)) for model in rotating.tables() if rotating.count(model)
    }


@pytest.fixture
def rows(books):
    """A row of each table with something encrypted, and their histories."""
    ChildHealth.objects.all().delete()
    HealthFactory(child=books.child, **NOTES)
    mandate = Mandate.objects.create(
        household=books.household, rum="R-1", debtor="Roux", iban=IBAN, signed_on=date(2026, 9, 1)
    )
    mandate.debtor = "Roux et fils"
    mandate.save()
    DebitFile.objects.create(message="1", collected_on=date(2026, 12, 1), content=IBAN, made_at=NOW)


@pytest.fixture
def usual(settings):
    return settings.FIELD_KEYS


def read():
    return {
        "notes": ChildHealth.objects.values(*NOTES).get(),
        "ibans": [*Mandate.objects.values_list("iban", "iban_end")],
        "history": [*Mandate.history.values_list("iban", "iban_end")],
        "content": DebitFile.objects.get().content,
    }


def test_every_table_with_a_secret_is_known_histories_among_them():
    found = {model.__name__ for model in rotating.tables()}
    assert {"ChildHealth", "Mandate", "HistoricalMandate", "DebitFile"} <= found


def test_rows_and_histories_come_under_the_new_key_and_read_the_same(rows, usual, settings):
    before = read()
    settings.FIELD_KEYS = [NEW, *usual]
    said = rotate()
    assert "fiches sanitaires : 1 ligne rechiffrée" in said
    assert "mandats de prélèvement, historique : 2 lignes rechiffrées" in said
    assert "retirez-la de FIELD_KEYS" in said
    new = keys().newest.name
    assert names() == {
        "ChildHealth": {new: 5},
        "HistoricalChildHealth": {new: 5},
        "Mandate": {new: 1},
        "HistoricalMandate": {new: 2},
        "DebitFile": {new: 1},
    }
    settings.FIELD_KEYS = [NEW]
    assert read() == before
    assert rotate() == "Tout est déjà chiffré avec la clé la plus récente.\n"


def test_a_second_pass_writes_nothing(rows, usual, settings):
    settings.FIELD_KEYS = [NEW, *usual]
    rotate()
    with CaptureQueriesContext(connection) as queries:
        rotate()
    assert not [query["sql"] for query in queries if query["sql"].startswith("UPDATE")]


def test_rows_in_clear_are_encrypted_with_what_follows_them(rows):
    with connection.cursor() as cursor:
        cursor.execute("UPDATE billing_mandate SET iban = %s, iban_end = '', iban_fingerprint = ''", [IBAN])
        cursor.execute("UPDATE families_childhealth SET allergies = 'Arachide'")
    assert names()["Mandate"] == {"": 1}
    assert "1 ligne rechiffrée" in rotate()
    assert names()["Mandate"] == {keys().newest.name: 1}
    found = Mandate.objects.of_account(IBAN).get()
    assert (found.iban, found.iban_end) == (IBAN, "2606")
    assert ChildHealth.objects.get().allergies == "Arachide"


def test_where_values_are_is_told_without_touching_them(rows, usual, settings):
    before = kept(ChildHealth.objects.get())
    old = keys().newest.name
    settings.FIELD_KEYS = [NEW, *usual]
    HealthFactory(doctor="Dr Blanc")
    new = keys().newest.name
    said = rotate("--essai")
    assert f"fiches sanitaires : 5 valeurs (clé {old})" in said
    assert f"fiches sanitaires : 1 valeur (clé {new}, la plus récente)" in said
    settings.FIELD_KEYS = [NEW]
    assert f"fiches sanitaires : 5 valeurs (clé {old}, absente de FIELD_KEYS)" in rotate("--essai")
    assert kept(ChildHealth.objects.order_by("pk").first()) == before


def test_what_no_key_opens_is_counted_named_and_left_alone(rows, settings):
    before = kept(ChildHealth.objects.get())
    old = keys().newest.name
    settings.FIELD_KEYS = [NEW]
    other = HealthFactory(doctor="Dr Blanc")
    with pytest.raises(CommandError) as refused:
        rotate()
    assert "14 valeurs sont illisibles" in str(refused.value)
    assert f"chiffrées avec : {old}" in str(refused.value)
    assert kept(ChildHealth.objects.exclude(pk=other.pk).get()) == before


@pytest.mark.parametrize("batch", [1, 2, 3, 7])
def test_batches_leave_nobody_out(db, usual, settings, batch):
    ChildHealth.objects.bulk_create(HealthFactory.build(child=ChildFactory(), **NOTES) for _ in range(6))
    HealthFactory(doctor="")
    settings.FIELD_KEYS = [NEW, *usual]
    told = []
    assert rotating.encrypt(ChildHealth, batch=batch, progress=told.append) == (6, 0)
    assert sum(told) == 6 and max(told) <= batch
    assert names() == {"ChildHealth": {keys().newest.name: 30}}


SEED = """
from families.models import Child, ChildHealth
children = Child.objects.bulk_create(
    Child(first_name="Lina", last_name=f"N{number}", birth_date="2018-01-01") for number in range(3000))
ChildHealth.objects.bulk_create(
    ChildHealth(child=child, allergies=f"Note {child.pk}", treatment="Aucun") for child in children)
"""
# Says so after each batch, so that it can be killed between two.
SLOWLY = """
import sys, time
from families.models import ChildHealth
from portal.database import rotating
def tell(rows):
    print("batch", flush=True)
    time.sleep(0.2)
rotating.encrypt(ChildHealth, batch=100, progress=tell)
"""
AUDIT = """
from families.models import ChildHealth
from portal.database import rotating
from portal.database.encrypted import keys
assert all(row.allergies == f"Note {row.child_id}" for row in ChildHealth.objects.all())
print(rotating.count(ChildHealth)[keys().newest.name])
"""


def test_a_rotation_that_was_killed_goes_on_where_it_stopped(installed, tmp_path):
    with own_database(tmp_path, copied_from=installed, called="rotated") as address:
        usual, other = environment(address, tmp_path), "y" * 50
        before = usual | {"FIELD_KEYS": "x" * 50}
        after = usual | {"FIELD_KEYS": f"{other},{'x' * 50}"}

        def shell(code, env):
            done = subprocess.run(
                [sys.executable, "manage.py", "shell", "-v0", "-c", code],
                cwd=ROOT, env=env, capture_output=True, text=True, timeout=120, check=True,
            )  # fmt: skip
            return done.stdout.strip()

        shell(SEED, before)
        victim = subprocess.Popen(
            [sys.executable, "manage.py", "shell", "-v0", "-c", SLOWLY], cwd=ROOT, env=after, text=True,
            stdout=subprocess.PIPE,
        )  # fmt: skip
        for _ in range(3):
            victim.stdout.readline()
        victim.send_signal(signal.SIGKILL)
        victim.communicate(timeout=60)

        half = int(shell(AUDIT, after))
        assert 600 <= half < 6000 and half % 200 == 0
        done = subprocess.run(
            [sys.executable, "manage.py", "rotate_keys"],
            cwd=ROOT, env=after, capture_output=True, text=True, timeout=120, check=True,
        )  # fmt: skip
        assert f"fiches sanitaires : {3000 - half // 2} lignes rechiffrées" in done.stdout
        # The old key is no longer needed.
        assert shell(AUDIT, usual | {"FIELD_KEYS": other}) == "6000"
