"""What must be right before families pay online; run by every `manage.py` command and at start."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error

from billing.invoices.contracts import Contract
from billing.payments.providers.choosing import PROVIDERS

NEEDED = {
    "stripe": ["STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRETS"],
    "payfip": ["PAYFIP_CLIENT", "PAYFIP_SERVICE_URL"],
}


def payment_provider(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Of each régie, a known provider with its keys, and no bank of demonstration where money is real."""
    found = _of(Contract())
    for code in settings.REGIE_CONTRACTS:
        found += _of(Contract(code))
    return found


def _of(contract: Contract) -> list[CheckMessage]:
    name, of = contract.provider, f"__{contract.code}" if contract.code else ""
    if not name:
        return []
    if name not in PROVIDERS:
        return [Error(f"PAYMENT_PROVIDER{of}={name} is none of {', '.join(PROVIDERS)}.", id="billing.E001")]
    found: list[CheckMessage] = []
    if name == "demo" and not settings.DEMO:
        found.append(
            Error(
                f"PAYMENT_PROVIDER{of}=demo would mark invoices as paid without money.",
                hint="Set PAYMENT_PROVIDER to stripe or payfip, or leave it empty.",
                id="billing.E002",
            )
        )
    missing = [setting for setting in NEEDED.get(name, []) if not contract.said(setting)]
    if missing:
        found.append(Error(f"PAYMENT_PROVIDER{of}={name} needs {', '.join(missing)}.", id="billing.E003"))
    if name == "payfip" and contract.said("PAYFIP_MODE") not in ("T", "X", "W"):
        found.append(Error("PAYFIP_MODE is T (test), X (activation) or W (real).", id="billing.E004"))
    return found
