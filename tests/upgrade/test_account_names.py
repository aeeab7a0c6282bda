"""Accounts of each release have the normal form of their names."""

from families import login_names
from families.models import User


def test_each_account_keeps_the_form_by_which_it_was_found(upgraded):
    accounts = User.objects
    assert accounts.count() > 20
    for account in accounts.all():
        assert account.username_form == login_names.normal_form(account.username)
        assert account.email_form == login_names.normal_form(account.email)
    assert not accounts.exclude(email_shared=False, username_shared=False).exists()
    assert [user.username for user in login_names.called("PARENT@example.org")] == ["parent"]
