"""A régie's own bank account, as files for the bank name it: debits come to it, refunds leave it.

missing(of, creditor=…) -> str          what its settings lack, in French; empty: nothing
facts(of) -> dict                       what `sepaxml` is told of it
message(files, of, what, at) -> str     the name of a file to be: no other has it
"""

from datetime import datetime
from itertools import count
from typing import Any

from django.db.models import Model, QuerySet
from django.utils import timezone

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


def message(files: QuerySet[Model], of: Issuer, what: str, at: datetime) -> str:
    """« 20261205093000-202611 », with a further régie's letters, and « -2 » for a second one at once."""
    letters = f"-{of.letters}" if isinstance(of, Regie) else ""
    first = f"{timezone.localtime(at):%Y%m%d%H%M%S}-{what}{letters}"
    names = (first if number == 1 else f"{first}-{number}" for number in count(1))
    return next(name for name in names if not files.filter(message=name).exists())


def facts(of: Issuer) -> dict[str, Any]:
    return {
        "name": (of.issuer_name or town.current().name)[:70],
        "IBAN": of.iban,
        "BIC": of.bic,
        "batch": True,
        "currency": "EUR",
    }
