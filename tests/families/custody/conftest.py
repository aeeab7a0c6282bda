"""Lina lives in turns at her mother's (`books`) and at her father's: he enrolled her too, and booked."""

from collections.abc import Callable
from datetime import date

import pytest

from families.models import Custody
from portal.reservations.models import Reservation
from tests.conftest import FRIDAY, THURSDAY, Family, family
from tests.factories import EnrolmentFactory
from tests.families.conftest import commit, letters, private_files
from tests.portal.reservations.audit import reserve

__all__ = ["commit", "letters", "private_files"]


@pytest.fixture
def father(books: Family, canteen, year, now) -> Family:
    """Camille Leroy, in whose home Lina lives every other week; accepted at the canteen from there too."""
    home = family("leroy", "Leroy", "Basile")
    Custody.objects.create(child=books.child, household=home.household)
    enrolment = EnrolmentFactory(
        household=home.household,
        child=books.child,
        activity=canteen.activity,
        establishment=canteen.restaurant,
        school_year=year,
        requested_by=home.user,
    )
    return Family(home.household, home.guardian, home.user, books.child, enrolment)


@pytest.fixture
def reserved(father: Family, canteen, now) -> Reservation:
    """His two days."""
    return reserve(father, canteen, THURSDAY, FRIDAY, at=now)


@pytest.fixture
def lives(now) -> Callable[..., Custody]:
    """Writes between which days a family's child lives there."""

    def write(who: Family, *, since: date | None = None, until: date | None = None) -> Custody:
        custody = Custody.objects.get(child=who.child, household=who.household)
        custody.since, custody.until = since, until
        custody.save()
        return custody

    return write
