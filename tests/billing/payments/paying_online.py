"""What the tests of online payment share: invoices to pay, providers that run, what a family sees."""

from decimal import Decimal

from billing.models import Invoice, OnlinePayment, Payment
from billing.payments import starting
from tests.billing.conftest import FIRST_OF_DECEMBER as AT

D = Decimal


def left(household):
    """What is left to pay, invoice by invoice, oldest first."""
    rows = Invoice.objects.with_balance().filter(household=household).order_by("sequence")
    return [invoice.left for invoice in rows]


def received(household):
    """Every payment booked."""
    return [payment.amount for payment in Payment.objects.filter(household=household).order_by("pk")]


def start(family, *, at=AT):
    """The family starts to pay everything it owes."""
    unpaid = starting.to_pay(family.household)
    return starting.start(family.household, {one.pk: None for one in unpaid}, by=family.user, at=at)


def state(payment):
    return OnlinePayment.objects.get(pk=payment.pk).state
