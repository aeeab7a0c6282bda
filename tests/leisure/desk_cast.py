"""The desk's cast: a holiday camp on request, and families that ask for days of it."""

from datetime import date, timedelta

import pytest

from portal.reservations.acts import booking
from portal.reservations.models import Activity, Slot
from tests.conftest import Family
from tests.factories import (
    ActivityFactory,
    CentreFactory,
    EnrolmentFactory,
    FormulaFactory,
    PeriodFactory,
    ReservationFactory,
    ReservationLineFactory,
)

MONDAY, TUESDAY = date(2026, 11, 23), date(2026, 11, 24)


@pytest.fixture
def camp(now, town, year):
    """« Vacances » on request at a centre: one place on Monday, no limit on Tuesday."""
    centre = CentreFactory(code="les-roseaux", name="Centre des Roseaux")
    activity = ActivityFactory(
        code="vacances",
        name="Vacances",
        service="leisure",
        establishments=[centre],
        processing=Activity.Processing.ON_REQUEST,
    )
    formula = FormulaFactory(activity=activity, name="Journée", parts=["morning", "afternoon"])
    period = PeriodFactory(activity=activity, school_year=year, name="Novembre", code="novembre")
    for day, capacity in ((MONDAY, 1), (TUESDAY, None)):
        for part in ("morning", "afternoon"):
            Slot.objects.create(
                activity=activity, establishment=centre, day=day, part=part, capacity=capacity
            )
    period.formula, period.centre = formula, centre
    return period


@pytest.fixture
def asks_for(camp, year, now):
    """A family asks for days of the camp, a minute after the one before."""
    minutes = iter(range(1000))

    def ask(who: Family, *days: date, child=None):
        enrolment = EnrolmentFactory(
            household=who.household,
            child=child or who.child,
            activity=camp.activity,
            establishment=camp.centre,
            school_year=year,
        )
        draft = ReservationFactory(enrolment=enrolment, period=camp, created_by=who.user)
        for day in days:
            ReservationLineFactory(reservation=draft, formula=camp.formula, day=day, accepts_waiting=True)
        return booking.submit(draft, by=who.user, at=now + timedelta(minutes=next(minutes)))

    return ask
