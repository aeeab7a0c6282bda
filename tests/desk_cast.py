"""The desk's cast: requests that wait for the town hall, made by the families' own verbs."""

from collections.abc import Callable
from datetime import date

import pytest
from django.test import Client

from catering.models import Menu
from families.models import User
from portal.reservations.acts import booking
from portal.reservations.models import Activity, Capacity, Closure, Reservation
from tests.conftest import Family, logged_in
from tests.factories import HealthFactory, ReservationFactory, ReservationLineFactory, UserFactory

THURSDAY = date(2026, 11, 26)
FRIDAY = date(2026, 11, 27)


@pytest.fixture
def chief(now, db: None) -> User:
    """May do everything, sees the technical tables too."""
    return UserFactory(username="chief", is_staff=True, is_superuser=True)


@pytest.fixture
def chief_client(chief: User) -> Client:
    return logged_in(chief)


@pytest.fixture
def asks(canteen, now) -> Callable[..., Reservation]:
    """A family records days; with `on_request` (the default), the town hall has to answer them."""

    def ask(who: Family, *days: date, on_request: bool = True) -> Reservation:
        processing = Activity.Processing.ON_REQUEST if on_request else Activity.Processing.AUTOMATIC
        Activity.objects.filter(pk=canteen.activity.pk).update(processing=processing)
        draft = ReservationFactory(enrolment=who.enrolment, period=canteen.period, created_by=who.user)
        for day in days:
            ReservationLineFactory(reservation=draft, formula=canteen.formula, day=day, accepts_waiting=True)
        return booking.submit(draft, by=who.user, at=now)

    return ask


@pytest.fixture
def lived_in(asks, books, waits, canteen):
    """A desk with a row of nearly everything."""
    asks(books, THURSDAY)
    asks(waits, THURSDAY, FRIDAY, on_request=False)
    HealthFactory(child=books.child, has_pai=True, allergies="Arachides")
    Capacity.objects.create(
        activity=canteen.activity, establishment=canteen.restaurant, part="noon", places=120
    )
    Closure.objects.create(starts_on=FRIDAY, ends_on=FRIDAY, why=Closure.Why.TRIP)
    menu = Menu.objects.create(restaurant=canteen.restaurant, day=THURSDAY)
    menu.dishes.create(course="main", name="Gratin", allergens=["milk"])
