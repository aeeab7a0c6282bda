"""A contract with a provider: the town's own, or a further régie's by its code.

What names the account that money goes to (provider, keys, client number) is each régie's own: without it,
nothing is paid there. Addresses and modes are the town's where the régie says no other.
"""

from dataclasses import dataclass
from typing import Any

from django.conf import settings

ITS_OWN = ("STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRETS", "PAYFIP_CLIENT")


@dataclass(frozen=True)
class Contract:
    """`code`: the régie's; empty: the town's own."""

    code: str = ""

    def said(self, name: str) -> Any:
        """A setting, by its name in `portal.settings`; empty where the contract lacks it."""
        if not self.code:
            return getattr(settings, name)
        said = settings.REGIE_CONTRACTS.get(self.code, {})
        if name in said:
            return said[name]
        usual = getattr(settings, name)
        return type(usual)() if name in ITS_OWN else usual

    @property
    def provider(self) -> str:
        """The name of the provider of its new payments; empty where families cannot pay online."""
        if not self.code:
            return str(settings.PAYMENT_PROVIDER)
        # The demonstration's bank asks for no contract.
        usual = "demo" if settings.PAYMENT_PROVIDER == "demo" else ""
        return str(settings.REGIE_CONTRACTS.get(self.code, {}).get("PAYMENT_PROVIDER", usual))
