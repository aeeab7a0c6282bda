"""The town's own bank account, as files for the bank name it: debits come to it, refunds leave it.

missing(settings, creditor=…) -> str          what its settings lack, in French; empty: nothing
facts(settings) -> dict                       what `sepaxml` is told of it
"""

from typing import Any

from billing.models import BillingSettings
from portal import town
from portal.french.moments import listing


def missing(settings: BillingSettings, *, creditor: bool = False) -> str:
    """« Indiquez d'abord l'IBAN dans les réglages… »; `creditor`: who debits has an identifier as well."""
    wanted = {
        "l'identifiant créancier SEPA": settings.creditor_identifier or not creditor,
        "l'IBAN": settings.iban,
        "le BIC": settings.bic,
    }
    names = [name for name, value in wanted.items() if not value]
    return f"Indiquez d'abord {listing(names)} dans les réglages de la facturation." if names else ""


def facts(settings: BillingSettings) -> dict[str, Any]:
    return {
        "name": (settings.issuer_name or town.current().name)[:70],
        "IBAN": settings.iban,
        "BIC": settings.bic,
        "batch": True,
        "currency": "EUR",
    }
