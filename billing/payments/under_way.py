"""What the desk is told before it touches an invoice that is on its way to be paid otherwise."""

from collections.abc import Iterable

from billing.models import Invoice
from billing.payments import starting
from portal.french.dates import short_day


def warning(invoices: Iterable[Invoice]) -> str:
    """One sentence for each of these that is being paid online, or stands in a debit file that is not
    collected yet; empty where none is. One query. What comes then beyond what is left stays the family's."""
    rows = Invoice.objects.with_balance().filter(pk__in=[one.pk for one in invoices])
    said = []
    for one in starting.on_their_way(rows).order_by("due_on", "sequence"):
        if one.reference:
            said.append(
                f"La facture {one.number} est en cours de paiement en ligne (paiement {one.reference})."
            )
        if one.debited_on:
            day = short_day(one.debited_on, year=True)
            said.append(f"La facture {one.number} est dans un fichier de prélèvement du {day}.")
    if not said:
        return ""
    return " ".join([*said, "Ce qui viendrait en trop resterait à la famille, pour ses prochaines factures."])
