"""What « Mon compte famille » asks of a family for its invoices."""

from datetime import datetime

from django.urls import reverse
from django.utils import timezone

from billing.documents import wording
from billing.models import InvoiceState, OnlinePayment, OnlineState
from billing.payments.providers import choosing
from billing.reminders import arrears
from families.at_home import Ask
from families.models import Household, User
from portal.french import moments
from portal.french.amounts import euros
from portal.french.plurals import counted


def to_pay(household: Household, user: User, at: datetime) -> list[Ask]:
    """What is due, the first day of it, and the way to pay; then what was begun at the bank's page."""
    today = timezone.localdate(at)
    home = wording.at_home(household, today)
    asks = []
    if home.due:
        first = home.due[0]
        late = first.state == InvoiceState.OVERDUE
        day = moments.day(first.due_on, year=first.due_on.year != at.year)
        when = f"{'depuis' if late else 'au plus tard'} le {day}"
        several = counted(len(home.due), "facture", "factures")
        total = euros(home.total_due)
        online = choosing.offered()
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
    under_way = [one for one in wording.online_at_home(household, today) if one.is_open]
    left = home.left_after(under_way)
    then = (
        f"Ensuite, il vous restera {euros(left)} à payer."
        if left
        else "Dès qu'il est validé, il ne vous reste rien à payer."
    )
    return asks + [_under_way(one, then) for one in under_way]


def decisions(household: Household, user: User, at: datetime) -> list[Ask]:
    """What the town hall decided about arrears, calmly: with how to pay, and whom to talk to."""
    return [
        Ask(
            f"Décision de la mairie : {one.what}",
            f"Depuis le {moments.day(one.decision.since)}, {one.until}. Les jours réservés restent.",
            reverse("billing:arrears"),
            "Comment payer, à qui parler",
        )
        for one in arrears.of_home(household, timezone.localdate(at))
    ]


def _under_way(payment: OnlinePayment, then: str) -> Ask:
    """A payment that no bank has answered yet: nobody is told meanwhile that nothing is due."""
    since = moments.moment(payment.started_at)
    begun = payment.state == OnlineState.STARTED
    return Ask(
        f"Paiement de {euros(payment.amount)} {'à terminer' if begun else 'en cours'}",
        f"Commencé le {since}. {then}",
        reverse("billing:payment", args=[payment.reference]),
        "Reprendre le paiement" if begun else "Voir ce paiement",
    )
