"""« Facture d'essai »: what a trial household's invoice would look like. No document: nothing is numbered,
sealed or kept, and nothing of it can be paid.

    draw(home, foreseen, month) -> bytes       its PDF, with « SPÉCIMEN » across
"""

from datetime import date
from pathlib import Path

from django.conf import settings

from billing.documents import pdf
from billing.documents.provisional import Provisional
from billing.invoices import invoicing, regies
from families.models import Household

STYLE = Path(settings.BASE_DIR) / "templates" / "billing" / "specimen.css"


def draw(home: Household, foreseen: Provisional, month: date) -> bytes:
    """As the régie's own paper, of what is foreseen for the month."""
    context = {"issuer": invoicing.issuer_of(regies.facts(None)), "home": home, "foreseen": foreseen}
    name = f"specimen-{home.pk}-{month:%Y-%m}"
    return pdf.draw("billing/specimen.html", context, pdf.STYLE, STYLE, identifier=name)
