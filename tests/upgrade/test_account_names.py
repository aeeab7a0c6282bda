"""Accounts of the last release get the normal form of their names; those that have the same are all kept."""

import pytest
from django.db import IntegrityError, transaction

from families import login_names
from families.models import User
from tests.upgrade.conftest import migrate_to

BEFORE, AFTER = "0002_traces", "0003_account_names_and_counters"


def test_each_account_keeps_the_form_by_which_it_was_found(left_by_0_2_0):
    migrate_to("families", BEFORE)
    accounts = migrate_to("families", AFTER).get_model("families", "User").objects
    assert accounts.count() > 20
    for account in accounts.all():
        assert account.username_form == login_names.normal_form(account.username)
        assert account.email_form == login_names.normal_form(account.email)
    assert not accounts.exclude(email_shared=False, username_shared=False).exists()
    assert [user.username for user in login_names.called("PARENT@example.org")] == ["parent"]


def test_two_accounts_of_one_form_are_both_kept_and_a_third_is_refused(left_by_0_2_0):
    before = migrate_to("families", BEFORE).get_model("families", "User").objects
    first = before.create(username="fiona", email="camille@kermit.example")
    twin = before.create(username="ﬁona", email="camille@ｋermit.example")
    late = before.create(username="f\u0131ona", email="ｃamille@kermit.example")
    nobody = [before.create(username=name, email="") for name in ("sans.adresse", "sans.adresse.2")]

    migrate_to("families", AFTER)
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
