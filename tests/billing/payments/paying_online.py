"""What the tests of online payment share: invoices to pay, what Stripe sends, what a family sees."""

import json
from decimal import Decimal

from django.test import Client

from billing.models import Invoice, OnlinePayment, Payment
from billing.payments import refunding, starting
from tests.billing.conftest import FIRST_OF_DECEMBER as AT
from tests.fakes.stripe_server import SECRET, signature

D = Decimal
HOOK = "/factures/notifications/stripe/"


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


def deliver(event, *, secret=SECRET, at=None, header=None):
    """Stripe's event comes in; the status of our answer."""
    body = json.dumps(event).encode()
    signed = signature(body, secret, at) if header is None else header
    headers = {"Stripe-Signature": signed} if signed else {}
    return Client(headers=headers).post(HOOK, body, content_type="application/json").status_code


def give_back(payment, amount, key="k1", *, with_credit=True, by=None):
    return refunding.refund(
        payment, D(amount), reason="Enfant malade", key=key, with_credit=with_credit, by=by, at=AT
    )
