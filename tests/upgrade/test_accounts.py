"""Accounts are opened from the documents of before: each household stands where it stood."""

from decimal import Decimal

import pytest

from billing.invoices import ledger
from billing.invoices.billable import Billable, Scope
from billing.models import AccountEntry, BillingRun, BillingSettings, CreditNote, Invoice, Payment
from families.models import Household
from tests.upgrade import books, releases

# Those whose accounts the migration opens; later ones have lived theirs.
BEFORE_ACCOUNTS = [one for one in releases.releases() if one.version in ("0.2.0", "0.3.0", "0.4.0")]
without_accounts = pytest.mark.parametrize(
    "upgraded", BEFORE_ACCOUNTS, indirect=True, ids=lambda release: release.version
)


def test_each_balance_is_what_was_left_to_pay(upgraded):
    everybody = list(Household.objects.values_list("pk", flat=True))
    said = ledger.standing(everybody)
    assert any(said.values())
    accounts = ledger.balances(everybody)
    assert {home: amount for home, amount in accounts.items() if amount} == {
        home: amount for home, amount in said.items() if amount
    }
    # Without money that pays nothing yet, that is what the books said is left.
    left = {home: Decimal(amount) for home, amount in books.balances().items()}
    assert sum(left.values()) >= sum(accounts.values())


@without_accounts
def test_every_document_has_its_movement_in_the_order_of_days(upgraded):
    said = set(AccountEntry.objects.values_list("kind", "document"))
    assert said >= {("invoice", number) for number in Invoice.objects.values_list("number", flat=True)}
    assert said >= {("credit", number) for number in CreditNote.objects.values_list("number", flat=True)}
    paid = Payment.objects.validated()
    assert said >= {
        ("payment" if amount > 0 else "refund", number)
        for amount, number in paid.values_list("amount", "number")
    }
    days = list(AccountEntry.objects.order_by("pk").values_list("booked_on", flat=True))
    assert days == sorted(days)


@without_accounts
def test_what_no_run_ever_looked_at_is_billed_by_none(upgraded):
    first = BillingRun.objects.order_by("month").first()
    starts_on = BillingSettings.current().starts_on
    assert starts_on is not None
    assert starts_on <= first.month
    assert (
        not Billable(Scope(first.month), BillingSettings.current())
        .unbilled_bookings()
        .filter(day__lt=starts_on)
    )
