"""A household's account: a movement for each document, its balance is what they say."""

from contextlib import suppress
from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction
from hypothesis import given
from hypothesis import strategies as st

from billing.invoices import invoicing, ledger
from billing.invoices.creditable import Wanted
from billing.invoices.invoicing import BillingRefused
from billing.models import AccountEntry, Invoice, Payment
from billing.payments import crediting, paying, writing_off
from billing.payments.paying import PaymentRefused
from families.models import Household
from tests.billing.conftest import FIRST_OF_DECEMBER
from tests.conftest import on_the_database
from tests.factories import HouseholdFactory

D = Decimal
PAID_ON = date(2026, 11, 28)


def movements(household):
    rows = AccountEntry.objects.filter(household=household)
    return [(one.kind, one.amount, one.value_on, one.booked_on) for one in rows]


def pay(household, amount, **said):
    said = {"paid_on": PAID_ON, "by": None, "at": FIRST_OF_DECEMBER} | said
    return paying.record(household, D(amount), "cash", **said)


def test_an_invoice_a_credit_note_a_payment_and_a_refund_each_leave_a_movement(owes):
    invoice = Invoice.objects.get(household=owes.household)
    invoicing.credit(
        invoice, Wanted(amount=D("3.20")), reason="Repas non servi", by=None, at=FIRST_OF_DECEMBER
    )
    payment = pay(owes.household, "20")
    paying.refund(
        payment, D("10.40"), means="cash", paid_on=FIRST_OF_DECEMBER.date(), by=None, at=FIRST_OF_DECEMBER
    )
    issued, today = date(2026, 11, 30), date(2026, 12, 1)
    assert movements(owes.household) == [
        ("payment", D("-20.00"), PAID_ON, PAID_ON),
        ("invoice", D("12.80"), issued, issued),
        ("credit", D("-3.20"), today, today),
        ("refund", D("10.40"), today, today),
    ]
    account = AccountEntry.objects.filter(household=owes.household)
    assert account.balance() == 0
    assert account.up_to(issued).balance() == D("-7.20")


def test_money_that_waits_for_the_bank_moves_nothing_until_it_came(owes):
    payment = pay(owes.household, "12.80", state="pending")
    assert len(movements(owes.household)) == 1
    for _ in "twice":
        paying.settle(payment, "validated", at=FIRST_OF_DECEMBER)
    assert movements(owes.household)[:1] == [("payment", D("-12.80"), PAID_ON, PAID_ON)]


def test_what_is_refused_moves_nothing(owes):
    payment = pay(owes.household, "12.80", state="pending")
    paying.settle(payment, "refused", at=FIRST_OF_DECEMBER)
    assert AccountEntry.objects.filter(household=owes.household).balance() == D("12.80")


@pytest.mark.parametrize("change", [{"amount": 1}, {"document": "F2026-000009"}, {"booked_on": PAID_ON}])
def test_the_database_keeps_a_movement_as_it_is(owes, change):
    with pytest.raises(IntegrityError, match="Un mouvement de compte ne change plus"), transaction.atomic():
        AccountEntry.objects.filter(household=owes.household).update(**change)
    with pytest.raises(IntegrityError), transaction.atomic():
        AccountEntry.objects.filter(household=owes.household)._raw_delete("default")


def test_it_follows_its_household_into_another(owes):
    other = HouseholdFactory()
    AccountEntry.objects.filter(household=owes.household).update(household=other)
    assert ledger.balances([other.pk, owes.household.pk]) == {other.pk: D("12.80")}


def test_a_document_is_in_the_account_once(owes):
    invoice = Invoice.objects.get(household=owes.household)
    with transaction.atomic():
        Household.objects.lock([invoice.household_id])
        with pytest.raises(IntegrityError), transaction.atomic():
            ledger.billed([invoice])


VERBS = st.lists(
    st.tuples(
        st.sampled_from(
            ["pay", "wait", "answer", "credit", "credit paid", "write off", "refund", "release", "use"]
        ),
        st.integers(1, 2500),
        st.booleans(),
    ),
    max_size=12,
)


@on_the_database
@given(VERBS)
def test_in_any_order_of_verbs_the_account_says_what_the_documents_do(owes, done):
    home, at = owes.household, FIRST_OF_DECEMBER
    with transaction.atomic():
        for number, (verb, cents, yes) in enumerate(done):
            amount, at = D(cents) / 100, at + timedelta(hours=number)
            payments = Payment.objects.filter(household=home, amount__gt=0)
            with suppress(BillingRefused, PaymentRefused):
                if verb == "pay":
                    pay(home, amount, at=at)
                elif verb == "wait":
                    pay(home, amount, at=at, state="pending")
                elif verb == "answer":
                    for one in payments.filter(state="pending"):
                        paying.settle(one, "validated" if yes else "refused", at=at)
                elif verb == "credit":
                    invoice = Invoice.objects.get(household=home)
                    invoicing.credit(invoice, Wanted(amount=amount), reason="Erreur", by=None, at=at)
                elif verb == "credit paid":
                    wanted = Wanted(whole=True) if yes else Wanted(amount=amount)
                    crediting.credit(
                        Invoice.objects.get(household=home), wanted, reason="Erreur", by=None, at=at
                    )
                elif verb == "write off":
                    writing_off.write_off(
                        Invoice.objects.get(household=home), amount, kind="remission", reason="Difficultés",
                        decision="DEL-1", decided_on=PAID_ON, by=None, at=at,
                    )  # fmt: skip
                elif verb == "use":
                    paying.use_what_is_left(home)
                elif one := payments.order_by("-pk").first():
                    if verb == "release":
                        paying.release(one, amount)
                    else:
                        paying.refund(one, amount, means="cash", paid_on=PAID_ON, by=None, at=at)
            balance = AccountEntry.objects.filter(household=home).balance()
            assert balance == ledger.standing([home.pk]).get(home.pk, D(0))
        transaction.set_rollback(True)
