"""The demo's card of tickets: ten meals: `voisin` bought one this month."""

from datetime import datetime
from decimal import Decimal

from django.utils import timezone

from billing.invoices import cards
from billing.models import TicketCard
from portal.demo.people import People
from portal.reservations.models import Activity


def sell(people: People, at: datetime) -> None:
    """Bought on the first day of the month: the invoice of its end takes its first tickets."""
    card = TicketCard.objects.create(
        code="dix-repas",
        name="Carte de 10 repas",
        tickets=10,
        price=Decimal(38),
        until_day=31,
        until_month=8,
    )
    card.activities.add(Activity.objects.get(code="restauration-scolaire"))
    neighbour = people.neighbour
    bought = timezone.localtime(at).replace(day=1, hour=9, minute=0)
    cards.sell(neighbour.household, card, by=neighbour.user, at=bought)
