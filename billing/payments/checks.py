"""What must be right before families pay online; run by every `manage.py` command and at start."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error

from billing.invoices.contracts import Contract
from billing.payments.providers.choosing import PROVIDERS

# Its settings, each by the variable that says it.
NEEDED = {
    "stripe": {"STRIPE_SECRET_KEY": "STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRETS": "STRIPE_WEBHOOK_SECRET"},
    "payfip": {"PAYFIP_CLIENT": "PAYFIP_CLIENT", "PAYFIP_SERVICE_URL": "PAYFIP_SERVICE_URL"},
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
        return [
            Error(
                f"PAYMENT_PROVIDER{of}={name} n'est pas un prestataire de paiement du portail.",
                hint=f"PAYMENT_PROVIDER{of}=stripe ou payfip (vide : pas de paiement en ligne)",
                id="billing.E001",
            )
        ]
    found: list[CheckMessage] = []
    if name == "demo" and not settings.DEMO:
        found.append(
            Error(
                f"PAYMENT_PROVIDER{of}=demo marquerait des factures comme payées sans argent.",
                hint=f"PAYMENT_PROVIDER{of}=stripe ou payfip (vide : pas de paiement en ligne)",
                id="billing.E002",
            )
        )
    missing = [variable for setting, variable in NEEDED.get(name, {}).items() if not contract.said(setting)]
    found += [
        Error(
            f"Il manque {variable}{of} : PAYMENT_PROVIDER{of}={name} en a besoin.",
            hint=f"{variable}{of}=… (docs/payments.md)",
            id="billing.E003",
        )
        for variable in missing
    ]
    if name == "payfip" and contract.said("PAYFIP_MODE") not in ("T", "X", "W"):
        found.append(
            Error(
                f"PAYFIP_MODE{of} ne se lit pas.",
                hint=f"PAYFIP_MODE{of}=T (essai), X (activation) ou W (paiements réels)",
                id="billing.E004",
            )
        )
    return found
