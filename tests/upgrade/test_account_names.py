"""Accounts of the last release get the normal form of their names; those that have the same are all kept."""

from typing import Any

import pytest
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction
from django.db.migrations.loader import MigrationLoader

from families import login_names
from families.models import User


def as_it_was() -> Any:
    """The accounts of 0.2.0, before anything is migrated."""
    state = MigrationLoader(connection).project_state(("families", "0001_initial"))
    return state.apps.get_model("families", "User").objects


def test_each_account_keeps_the_form_by_which_it_was_found(left_by_0_2_0):
    call_command("migrate", verbosity=0)
    accounts = User.objects
    assert accounts.count() > 20
    for account in accounts.all():
        assert account.username_form == login_names.normal_form(account.username)
        assert account.email_form == login_names.normal_form(account.email)
    assert not accounts.exclude(email_shared=False, username_shared=False).exists()
    assert [user.username for user in login_names.called("PARENT@example.org")] == ["parent"]


def test_two_accounts_of_one_form_are_both_kept_and_a_third_is_refused(left_by_0_2_0):
    before = as_it_was()
    first = before.create(username="fiona", email="camille@kermit.example")
    twin = before.create(username="ﬁona", email="camille@ｋermit.example")
    late = before.create(username="f\u0131ona", email="ｃamille@kermit.example")
    nobody = [before.create(username=name, email="") for name in ("sans.adresse", "sans.adresse.2")]

    call_command("migrate", verbosity=0)
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
