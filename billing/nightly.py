"""Billing's nightly work."""

from datetime import date, datetime

from django.utils import timezone

from billing.invoices import adults, fees
from billing.models import BillingSettings
from billing.reminders import arrears
from portal import nightly
from portal.french.dates import end_of_month


def fees_noted(at: datetime) -> int:
    """What families owe of the year's fees, for the desk's list: an invoice works it out itself."""
    since = BillingSettings.current().starts_on or date.min
    return fees.note_all(until=end_of_month(timezone.localdate(at)), since=since)


def arrears_over(at: datetime) -> int:
    return arrears.settle(at=at)


def adults_not_served(at: datetime) -> int:
    return adults.closed(at=at)


nightly.register(
    "repas d'adultes d'un jour fermé",
    "{} repas d'adulte annulé(s) : le jour est fermé.",
    adults_not_served,
)
nightly.register("frais annuels", "{} ligne(s) de frais annuels mise(s) à jour.", fees_noted)
nightly.register(
    "décisions d'impayés finies",
    "{} décision(s) d'impayés payée(s) ou arrivée(s) à leur date.",
    arrears_over,
)
