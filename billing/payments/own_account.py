"""A régie's own bank account, as files for the bank name it: debits come to it, refunds leave it.

missing(of, creditor=…) -> str          what its settings lack, in French; empty: nothing
facts(of) -> dict                       what `sepaxml` is told of it
mark(of) -> str                         in the name of its files
"""

from typing import Any

from billing.models import Issuer, Regie
from portal import town
from portal.french.moments import listing


def missing(of: Issuer, *, creditor: bool = False) -> str:
    """« Indiquez d'abord l'IBAN dans les réglages… »; `creditor`: who debits has an identifier as well."""
    wanted = {
        "l'identifiant créancier SEPA": of.creditor_identifier or not creditor,
        "l'IBAN": of.iban,
        "le BIC": of.bic,
    }
    names = [name for name, value in wanted.items() if not value]
    where = f"la régie « {of} »" if isinstance(of, Regie) else "les réglages de la facturation"
    return f"Indiquez d'abord {listing(names)} dans {where}." if names else ""


def mark(of: Issuer) -> str:
    """What tells a further régie's file from another of the same second: « -CL »."""
    return f"-{of.letters}" if isinstance(of, Regie) else ""


def facts(of: Issuer) -> dict[str, Any]:
    return {
        "name": (of.issuer_name or town.current().name)[:70],
        "IBAN": of.iban,
        "BIC": of.bic,
        "batch": True,
        "currency": "EUR",
    }
