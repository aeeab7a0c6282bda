"""The guard of money is awake: a verb that forgets the household's row fails its test."""

import pytest
from django.db import transaction

from billing.invoices import invoicing
from billing.invoices.creditable import Wanted
from billing.models import Invoice
from billing.payments import paying
from families.models import Household
from families.models.households import HouseholdQuerySet
from tests.conftest import NOW
from tests.factories import HouseholdFactory, InvoiceFactory
from tests.money_lock import UnlockedMoney


@pytest.fixture
def invoice(now, town):
    return InvoiceFactory(household=HouseholdFactory())


def credit(invoice):
    return invoicing.credit(invoice, Wanted(amount=invoice.total), reason="Erreur", by=None, at=NOW)


def test_who_holds_the_household_writes(invoice):
    assert credit(invoice).amount == invoice.total


@pytest.mark.parametrize(
    "verb",
    [
        credit,
        lambda invoice: paying.record(
            invoice.household, invoice.total, "cash", paid_on=NOW.date(), by=None, at=NOW
        ),
    ],
    ids=["credit note", "payment"],
)
def test_who_forgot_the_lock_is_refused(invoice, monkeypatch, verb):
    monkeypatch.setattr(HouseholdQuerySet, "lock", lambda rows, keys, **kwargs: {})
    with pytest.raises(UnlockedMoney, match=r"billing/\S+\.py writes billing_\w+ and holds no household"):
        verb(invoice)


def test_a_lock_ends_with_its_transaction(invoice):
    with transaction.atomic():
        Household.objects.lock([invoice.household_id])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(HouseholdQuerySet, "lock", lambda rows, keys, **kwargs: {})
        with pytest.raises(UnlockedMoney):
            credit(invoice)
    assert Invoice.objects.with_balance().get(pk=invoice.pk).left == invoice.total
