"""What 0.2.0 knew otherwise than today: written into its town as it was left, looked at after one walk.

The walk stops where one looks, as an operator's does who is told « migrate families 0004 », or who killed it.
"""

from collections.abc import Iterator
from datetime import date
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction

from billing.models import DebitFile, Mandate
from families import login_names
from families.models import ChildHealth, User
from portal.database import schema, versions
from portal.database.encrypted import keys
from portal.database.field_keys import is_encrypted
from portal.french import phones
from tests.factories import paris
from tests.upgrade.conftest import migrate_to, models_at, walking

# What was kept in clear.
COLUMNS = {
    "families_childhealth": ("id", ["allergies", "treatment", "doctor", "doctor_phone"]),
    "billing_mandate": ("id", ["iban"]),
    "billing_historicalmandate": ("history_id", ["iban"]),
    "billing_debitfile": ("id", ["content"]),
}
# Migrations of released versions stand for ever, and so does what they met.
pytestmark = pytest.mark.long

ENDED_AT = paris(2026, 11, 4, 0, 30)  # still the third in Greenwich


@pytest.fixture(scope="module")
def walk(kind: str, tmp_path_factory: pytest.TempPathFactory, django_db_blocker: Any) -> Iterator[Any]:
    """What the walk met on its way, and `at_home`, its portal."""
    with walking("0.2.0", kind, tmp_path_factory.mktemp("walk")) as at_home:
        with django_db_blocker.unblock(), at_home():
            before = models_at("reservations", "0001_initial")
            twins = twin_accounts(before.get_model("families", "User").objects)
            clear = in_clear()
            groups = before.get_model("families", "User").groups.through.objects
            held = set(groups.values_list("user__username", "group__name"))

            migrate_to("families", "0004_custody")
            lacking = schema.lacking(connection)

            before = migrate_to("reservations", "0002_staff_rights")
            rights = before.get_model("reservations", "StaffRight").objects
            roles = set(rights.values_list("user__username", "role__name", "everywhere", "places"))
            enrolments = before.get_model("reservations", "Enrolment").objects
            accepted = enrolments.filter(state="accepted").order_by("pk")
            ended, lasting = accepted.values_list("pk", flat=True)[:2]
            enrolments.filter(pk=ended).update(state="ended", decided_at=ENDED_AT)

            after = migrate_to("reservations", "0003_dated_schooling_and_enrolment")
            ends = dict(after.get_model("reservations", "Enrolment").objects.values_list("pk", "ends_on"))
            call_command("migrate", verbosity=0)
        yield SimpleNamespace(
            at_home=at_home,
            twins=twins,
            clear=clear,
            held=held,
            roles=roles,
            ends_on={"ended": ends[ended], "lasting": ends[lasting]},
            lacking=lacking,
        )


@pytest.fixture
def walked(walk: Any, django_db_blocker: Any) -> Iterator[Any]:
    """Today's code runs on what the walk led to."""
    with django_db_blocker.unblock(), walk.at_home():
        yield walk


def twin_accounts(accounts: Any) -> Any:
    """Accounts that are found by the same form of a name or of an address, and some without an address."""
    return SimpleNamespace(
        first=accounts.create(username="fiona", email="camille@kermit.example"),
        twin=accounts.create(username="ﬁona", email="camille@ｋermit.example"),
        late=accounts.create(username="f\u0131ona", email="ｃamille@kermit.example"),
        nobody=[accounts.create(username=name, email="") for name in ("sans.adresse", "sans.adresse.2")],
    )


def in_clear() -> dict[str, dict[Any, dict[str, Any]]]:
    """What each table keeps that is encrypted later; among it a text as long as any, and a number abroad."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE families_childhealth SET doctor_phone = '+33199001234', allergies = %s"
            " WHERE id = (SELECT min(id) FROM families_childhealth)",
            ["Arachide, même en traces. " * 70],
        )
    return {table: kept(table) for table in COLUMNS}


def kept(table: str) -> dict[Any, dict[str, Any]]:
    """The values of its columns as the database keeps them, by row and column."""
    key, columns = COLUMNS[table]
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join([key, *columns])} FROM {table} ORDER BY 1")
        return {row: dict(zip(columns, values, strict=True)) for row, *values in cursor.fetchall()}


def test_migrate_stops_where_a_register_lacks_its_columns_and_goes_on(walked):
    assert walked.lacking == []
    assert versions.hindrance(connection) == ""


def test_groups_become_roles_in_the_whole_town(walked):
    assert {("agent", "Agent"), ("regie", "Régie")} <= walked.held
    assert walked.roles == {(user, role, True, None) for user, role in walked.held}


def test_an_enrolment_that_was_ended_ends_on_the_day_of_its_decision(walked):
    assert walked.ends_on == {"ended": date(2026, 11, 4), "lasting": None}


def test_two_accounts_of_one_form_are_both_kept_and_a_third_is_refused(walked):
    first, twin, late, nobody = (
        walked.twins.first,
        walked.twins.twin,
        walked.twins.late,
        walked.twins.nobody,
    )
    kept = {user.pk: user for user in User.objects.filter(pk__gte=first.pk)}
    assert [
        (kept[one.pk].username_shared, kept[one.pk].email_shared) for one in (first, twin, late, *nobody)
    ] == [
        (False, False),
        (True, True),
        (False, True),
        (False, False),
        (False, False),
    ]
    assert [kept[one.pk].email for one in (first, twin)] == [first.email, twin.email], "as they were typed"
    assert [user.pk for user in login_names.having_address("Camille@Kermit.example")] == [
        first.pk,
        twin.pk,
        late.pk,
    ]
    for again in ({"username": "FIONA"}, {"username": "autre", "email": "CAMILLE@ｋermit.example"}):
        with pytest.raises(IntegrityError), transaction.atomic():
            User.objects.create(**again)


def test_what_was_in_clear_is_encrypted_and_reads_as_it_did(walked):
    before = walked.clear
    assert all(before.values()), "the release has rows of each"
    assert not any(is_encrypted(v) for rows in before.values() for row in rows.values() for v in row.values())

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
