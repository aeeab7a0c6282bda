"""What « Mon compte famille » asks of a family for its invoices."""

from datetime import date, datetime, timedelta

from django.conf import settings
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from billing.documents import wording
from billing.models import ONLINE_OPEN, InvoiceState, OnlinePayment, OnlineState
from families.at_home import Ask
from families.models import Household, User
from portal.database.kept import once_a_page
from portal.french import moments
from portal.french.amounts import euros
from portal.french.plurals import counted

REFUSED_SHOWN = timedelta(days=15)
HOME_ROWS = 6


def to_pay(household: Household, user: User, at: datetime) -> list[Ask]:
    """What is due, the first day of it, and the way to pay; then what was begun at the bank's page."""
    home = wording.at_home(household, timezone.localdate(at))
    asks = []
    if home.due:
        first = home.due[0]
        late = first.state == InvoiceState.OVERDUE
        day = moments.day(first.due_on, year=first.due_on.year != at.year)
        when = f"{'depuis' if late else 'au plus tard'} le {day}"
        several = counted(len(home.due), "facture", "factures")
        total = euros(home.total_due)
        online = bool(settings.PAYMENT_PROVIDER)
        asks.append(
            Ask(
                f"{total} à payer",
                when.capitalize() if len(home.due) == 1 else f"{several}, la première {when}",
                reverse("billing:pay" if online else "billing:invoices"),
                f"Payer {total}" if online else "Voir comment payer",
                main=online,
                late=late,
            )
        )
    begun = [
        one for one in online_payments(household, timezone.localdate(at)) if one.state == OnlineState.STARTED
    ]
    return asks + [
        Ask(
            f"Paiement de {euros(one.amount)} à terminer",
            "Il est commencé, la banque ne l'a pas encore confirmé.",
            reverse("billing:payment", args=[one.reference]),
            "Reprendre le paiement",
        )
        for one in begun
    ]


@once_a_page
def online_payments(household: Household, today: date) -> list[OnlinePayment]:
    """Those that are no money yet, and those refused lately; in one query."""
    owing = wording.at_home(household, today).owing
    # A refusal is no news once everything is paid.
    failed = [OnlineState.REFUSED, OnlineState.DISPUTED] if owing else [OnlineState.DISPUTED]
    recent = Q(state__in=failed, started_at__date__gte=today - REFUSED_SHOWN)
    return list(household.online_payments.filter(Q(state__in=ONLINE_OPEN) | recent)[:HOME_ROWS])
