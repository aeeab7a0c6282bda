"""The provider a régie has chosen: PAYMENT_PROVIDER, one of `PROVIDERS`, or nothing."""

from functools import cache
from typing import TYPE_CHECKING

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.utils.module_loading import import_string

from billing.invoices.contracts import Contract
from billing.payments.providers.interface import Provider

if TYPE_CHECKING:
    # Checks read the names of providers before there are models.
    from billing.models import OnlinePayment

# By name: only the library of the provider in use is loaded.
PROVIDERS = {
    "demo": "billing.payments.providers.demo_bank.DemoBank",
    "stripe": "billing.payments.providers.stripe_checkout.StripeCheckout",
    "payfip": "billing.payments.providers.payfip.PayFip",
}


def current(code: str = "") -> Provider | None:
    """The provider of a régie's new payments; None where families cannot pay online. `code`: the further
    régie's; empty, the town's own."""
    name = Contract(code).provider
    return named(name, code) if name else None


def offered() -> bool:
    """Whether any régie's invoices can be paid online."""
    return bool(settings.PAYMENT_PROVIDER) or any(
        Contract(code).provider for code in settings.REGIE_CONTRACTS
    )


def of(payment: "OnlinePayment") -> Provider:
    """Who is asked about a payment: its provider, by its régie's contract."""
    return named(payment.provider, payment.regie.code if payment.regie else "")


@cache
def named(name: str, code: str = "") -> Provider:
    """A provider by its name and a régie's contract, made once: payments begun before a change of provider
    are asked of theirs.

    Raises ImproperlyConfigured for an unknown one, and for the demonstration bank outside a demonstration.
    """
    if name not in PROVIDERS:
        raise ImproperlyConfigured(f"PAYMENT_PROVIDER: {name!r} is none of {', '.join(PROVIDERS)}.")
    if name == "demo" and not settings.DEMO:
        raise ImproperlyConfigured("The demonstration bank pays with no money: set another PAYMENT_PROVIDER.")
    provider: Provider = import_string(PROVIDERS[name])(Contract(code))
    return provider


def _forget(*, setting: str, **kwargs: object) -> None:
    """Tests change the addresses and keys of providers."""
    if setting == "DEMO" or setting.startswith(("STRIPE_", "PAYFIP_", "PAYMENT_", "REGIE_")):
        named.cache_clear()


setting_changed.connect(_forget)
