"""A town of two places: « Le Verger », where Lina eats, and « Le Bosquet », where Milo does."""

from types import SimpleNamespace

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from families.models import User
from portal.reservations.acts import booking
from portal.reservations.models import Booking, Slot
from portal.reservations.staff import giving
from tests.conftest import FRIDAY, THURSDAY, Family, enrolled, family, logged_in
from tests.factories import (
    EstablishmentFactory,
    ReservationFactory,
    ReservationLineFactory,
    SchoolClassFactory,
    SchoolFactory,
    UserFactory,
)


@pytest.fixture
def elsewhere(canteen, year) -> Family:
    """Camille Sorel and Milo, schooled and eating at the other end of the town."""
    school = SchoolFactory(code="les-pins", name="École des Pins")
    restaurant = EstablishmentFactory(code="le-bosquet", name="Restaurant du Bosquet", serves=[school])
    canteen.activity.establishments.add(restaurant)
    for day in (THURSDAY, FRIDAY):
        Slot.objects.create(activity=canteen.activity, establishment=restaurant, day=day, part="noon")
    there = SimpleNamespace(activity=canteen.activity, restaurant=restaurant)
    who = family("sorel", "Sorel", "Milo", SchoolClassFactory(school=school, school_year=year, name="CM2"))
    return enrolled(who, there, year)


@pytest.fixture
def both_book(canteen, books, elsewhere, now) -> tuple[Booking, Booking]:
    """Lina and Milo both eat on Thursday, each at its own place."""
    for who in (books, elsewhere):
        draft = ReservationFactory(enrolment=who.enrolment, period=canteen.period, created_by=who.user)
        ReservationLineFactory(reservation=draft, formula=canteen.formula, day=THURSDAY)
        booking.submit(draft, by=who.user, at=now)
    return Booking.objects.get(child=books.child), Booking.objects.get(child=elsewhere.child)


@pytest.fixture
def canteen_agent(canteen, now) -> User:
    """An agent of « Le Verger » and of nothing else."""
    user = UserFactory(username="verger", is_staff=True, first_name="Sam", last_name="Verger")
    giving.give(user, Group.objects.get(name="Agent"), places=[canteen.restaurant], by=None)
    return user


@pytest.fixture
def place_client(canteen_agent) -> Client:
    return logged_in(canteen_agent)
