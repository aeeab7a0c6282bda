"""The provider a town has chosen: PAYMENT_PROVIDER, one of `PROVIDERS`, or nothing."""

from functools import cache

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.utils.module_loading import import_string

from billing.payments.providers.interface import Provider

# By name: only the library of the provider in use is loaded.
PROVIDERS = {
    "demo": "billing.payments.providers.demo_bank.DemoBank",
    "stripe": "billing.payments.providers.stripe_checkout.StripeCheckout",
    "payfip": "billing.payments.providers.payfip.PayFip",
}


def current() -> Provider | None:
    """The provider of new payments; None where families cannot pay online."""
    return named(settings.PAYMENT_PROVIDER) if settings.PAYMENT_PROVIDER else None


@cache
def named(name: str) -> Provider:
    """A provider by its name, made once: payments begun before a change of provider are asked of theirs.

    Raises ImproperlyConfigured for an unknown one, and for the demonstration bank outside a demonstration.
    """
    if name not in PROVIDERS:
        raise ImproperlyConfigured(f"PAYMENT_PROVIDER: {name!r} is none of {', '.join(PROVIDERS)}.")
    if name == "demo" and not settings.DEMO:
        raise ImproperlyConfigured("The demonstration bank pays with no money: set another PAYMENT_PROVIDER.")
    provider: Provider = import_string(PROVIDERS[name])()
    return provider


def _forget(*, setting: str, **kwargs: object) -> None:
    """Tests change the addresses and keys of providers."""
    if setting == "DEMO" or setting.startswith(("STRIPE_", "PAYFIP_", "PAYMENT_")):
        named.cache_clear()


setting_changed.connect(_forget)
