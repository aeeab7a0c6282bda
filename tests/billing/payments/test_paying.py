"""Money never lost: what is paid, what is left, and no cent twice."""

from datetime import date
from decimal import Decimal

import pytest
from django.db import DatabaseError, transaction
from django.db.models import Sum
from hypothesis import given
from hypothesis import strategies as st

from billing.invoices import invoicing
from billing.models import BilledItem, Invoice, InvoiceLine, Payment, PaymentAllocation
from billing.payments import paying
from billing.payments.paying import PaymentRefused
from portal.reservations.models import Booking
from tests.billing.conftest import DECEMBER, END_OF_DECEMBER, END_OF_NOVEMBER, NOVEMBER, eats
from tests.conftest import on_the_database
from tests.factories import BookingFactory

D = Decimal


@pytest.fixture
def billed(month, books):
    """Two unpaid invoices of Lina's household: 12.80 for November, 6.40 for December."""
    invoicing.issue(invoicing.start(NOVEMBER, by=None, at=END_OF_NOVEMBER), at=END_OF_NOVEMBER)
    eats(books, [date(2026, 12, 3), date(2026, 12, 4)])
    invoicing.issue(invoicing.start(DECEMBER, by=None, at=END_OF_DECEMBER), at=END_OF_DECEMBER)
    return books.household


def pay(household, amount, **said):
    said = {"paid_on": date(2026, 12, 31), "by": None, "at": END_OF_DECEMBER} | said
    return paying.record(household, D(amount), "cash", **said)


def left(household):
    invoices = Invoice.objects.with_balance().filter(household=household).order_by("sequence")
    return [invoice.left for invoice in invoices]


def test_a_payment_pays_the_oldest_invoice_first(billed):
    pay(billed, "15")
    assert left(billed) == [D(0), D("4.20")]


def test_or_the_invoices_the_payer_chose_then_those_that_are_overdue(billed):
    december = Invoice.objects.get(household=billed, month=DECEMBER.month)
    pay(billed, "4", invoices=[december])
    assert left(billed) == [D("12.80"), D("2.40")]
    pay(billed, "10", invoices=[december])
    assert left(billed) == [D("5.20"), D(0)]


def test_what_is_not_due_yet_waits_for_who_says_so(billed):
    november = Invoice.objects.get(household=billed, month=NOVEMBER.month)
    payment = pay(billed, "15", invoices=[november])
    assert left(billed) == [D(0), D("6.40")] and paying.unused(payment) == D("2.20")


def test_what_is_left_of_a_payment_pays_the_next_invoice(billed):
    december = Invoice.objects.get(household=billed, month=DECEMBER.month)
    paying.allocate(pay(billed, "10", invoices=[]), december, D("6.40"))
    assert paying.use_what_is_left(billed) == 1
    assert left(billed) == [D("9.20"), D(0)]


def test_no_more_than_the_payment_or_the_invoice(billed):
    november = Invoice.objects.filter(household=billed).order_by("sequence").first()
    payment = pay(billed, "100", invoices=[])
    with pytest.raises(PaymentRefused, match="à payer sur la facture"):
        paying.allocate(payment, november, D("12.81"))
    paying.allocate(payment, november, D("12.80"))
    with pytest.raises(PaymentRefused, match="Il reste 87,20"):
        paying.allocate(payment, november, D("90"))


@pytest.mark.parametrize("amount", ["0", "-5", "1.005"])
def test_an_amount_that_is_no_money_is_refused(billed, amount):
    with pytest.raises(PaymentRefused):
        pay(billed, amount)
    assert not Payment.objects.exists()


def test_somebody_else_s_invoice_and_a_day_to_come_are_refused(billed, waits):
    theirs = Invoice.objects.get(household=waits.household)
    with pytest.raises(PaymentRefused, match="autre foyer"):
        pay(billed, "5", invoices=[theirs])
    with pytest.raises(PaymentRefused, match="à venir"):
        pay(billed, "5", paid_on=date(2027, 6, 1))


def test_the_bank_s_answer_counts_once(billed):
    payment = pay(billed, "12.80", state="pending")
    assert left(billed) == [D("12.80"), D("6.40")]
    for _ in range(2):
        paying.settle(payment, "validated", at=END_OF_DECEMBER)
    assert left(billed) == [D(0), D("6.40")]
    with pytest.raises(PaymentRefused, match="déjà « validé »"):
        paying.settle(payment, "refused", at=END_OF_DECEMBER)


def test_only_money_that_pays_nothing_is_given_back(billed):
    payment = pay(billed, "20")
    with pytest.raises(PaymentRefused, match="faites d'abord un avoir"):
        paying.refund(payment, D(1), means="cash", paid_on=date(2026, 12, 31), by=None, at=END_OF_DECEMBER)
    other = pay(billed, "5", invoices=[])
    paying.refund(other, D("4.20"), means="cash", paid_on=date(2026, 12, 31), by=None, at=END_OF_DECEMBER)
    assert paying.unused(other) == D("0.80")


def test_the_database_keeps_the_amount_of_a_payment(billed):
    payment = pay(billed, "5")
    payment.amount = D(50)
    with pytest.raises(DatabaseError), transaction.atomic():
        payment.save()
    PaymentAllocation.objects.all().delete()
    with pytest.raises(DatabaseError), transaction.atomic():
        payment.delete()


@on_the_database
@given(
    counts=st.lists(st.integers(0, 4), min_size=2, max_size=2),
    late=st.lists(st.booleans(), min_size=8, max_size=8),
    amounts=st.lists(st.decimals("0.01", 40, places=2), max_size=5),
)
def test_money_is_never_lost(meals, books, waits, counts, late, amounts):
    with transaction.atomic():
        flags = iter(late)
        days = [date(2026, 11, day) for day in (2, 3, 5, 6)]
        for family, count in zip((books, waits), counts, strict=True):
            for day in days[:count]:
                BookingFactory(enrolment=family.enrolment, day=day, late=next(flags))
        invoicing.issue(invoicing.start(NOVEMBER, by=None, at=END_OF_NOVEMBER), at=END_OF_NOVEMBER)
        for amount in amounts:
            pay(books.household, amount)
        for invoice in Invoice.objects.with_balance().prefetch_related("lines__items"):
            assert invoice.total == sum(line.amount for line in invoice.lines.all())
            for line in invoice.lines.all():
                assert (
                    line.amount
                    == line.quantity * line.unit_price
                    == sum(item.amount for item in line.items.all())
                )
            assert invoice.left >= 0
        assert BilledItem.objects.count() == Booking.objects.holding().count()
        assert (
            InvoiceLine.objects.aggregate(s=Sum("amount"))["s"]
            == Invoice.objects.aggregate(s=Sum("total"))["s"]
        )
        for payment in Payment.objects.all():
            assert paying.unused(payment) >= 0
        paid = PaymentAllocation.objects.aggregate(s=Sum("amount"))["s"] or 0
        owed = sum(left(books.household), D(0))
        assert sum(amounts, D(0)) == paid + sum((paying.unused(one) for one in Payment.objects.all()), D(0))
        assert (
            owed == sum((one.total for one in Invoice.objects.filter(household=books.household)), D(0)) - paid
        )
        transaction.set_rollback(True)
