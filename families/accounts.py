"""How django-allauth is fitted to families."""

from allauth.account.adapter import DefaultAccountAdapter


class AccountAdapter(DefaultAccountAdapter):
    """Accounts of guardians and of staff."""
