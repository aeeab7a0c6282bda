"""Stripe by its real client over HTTP, and a payment there."""

import pytest

from tests.billing.payments.paying_online import deliver, start
from tests.fakes.stripe_server import SECRET, FakeStripe


@pytest.fixture
def stripe(settings):
    with FakeStripe().running() as fake:
        settings.PAYMENT_PROVIDER = "stripe"
        settings.STRIPE_API_BASE = fake.url
        settings.STRIPE_SECRET_KEY = "rk_test_1"
        settings.STRIPE_WEBHOOK_SECRETS = [SECRET]
        yield fake


@pytest.fixture
def payment(stripe, owes):
    """Lina's family is on Stripe's page."""
    return start(owes)


@pytest.fixture
def paid(stripe, owes, payment):
    deliver(stripe.press(payment.provider_reference, "paid"))
    payment.refresh_from_db()
    return payment
