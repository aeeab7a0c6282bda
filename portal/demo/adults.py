"""The demo's teacher at table: some meals on an invoice of her own, with its VAT; some booked for the days to
come, one of them after the deadline."""

from datetime import date, datetime, timedelta

from django.utils import timezone

from billing.invoices import adults, invoicing
from billing.invoices.adults import Address, MealDay
from billing.invoices.billable import Scope
from billing.models import Diner, DinerKind
from portal.demo.people import People
from portal.french.dates import end_of_month
from portal.reservations.days.calendars import days_between
from portal.reservations.models import Establishment, Formula

MEALS = 4
BEFORE, A_DAY, TO_COME = timedelta(days=60), timedelta(days=1), timedelta(days=30)


def come(people: People, at: datetime) -> None:
    """After the months that are billed: what she ate the month before has its invoice at once."""
    today = timezone.localdate(at)
    last_month = today.replace(day=1) - A_DAY
    first = last_month.replace(day=1)
    diner = Diner(
        first_name="Hélène",
        last_name="Aubry",
        kind=DinerKind.TEACHER,
        establishment=Establishment.objects.get(code="verger"),
        formula=Formula.objects.get(activity__code="restauration-scolaire", code="repas"),
        starts_on=first,
    )
    home = Address("3 place de l'École", "01999", "Valmirelle-les-Prés", email="helene.aubry@example.org")
    adults.welcome(diner, home, by=people.agent, at=at)
    _book(diner, first, end_of_month(first), people, at - BEFORE)
    _book(diner, today + A_DAY, today + TO_COME, people, at)
    if diner.meals.filter(day__lte=last_month).exists():
        invoicing.issue_one(diner.household, Scope(first), by=people.regie, at=at)


def _book(diner: Diner, first: date, last: date, people: People, at: datetime) -> None:
    days = adults.days_of(diner, days_between(first, last), at=at)
    chosen = [one.day for one in days if _may(one)][:MEALS]
    adults.set_days(diner, chosen, (), by=people.agent, at=at)


def _may(day: MealDay) -> bool:
    return not day.why and not day.booked
