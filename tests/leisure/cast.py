"""The leisure centre of the cast: Wednesdays, accepted at once, and holidays, on request.

At NOW (Monday 9 November 2026) the Wednesdays of November and December and the Christmas holidays are open
to reservation, the winter holidays are not yet.
"""

from collections.abc import Callable
from datetime import date, datetime
from types import SimpleNamespace

import pytest

from portal.reservations.acts.opening import open_slots
from portal.reservations.models import Activity, Enrolment, Establishment, SchoolYear, Slot
from tests.conftest import Family, family
from tests.factories import (
    ActivityDeadlineFactory,
    ActivityFactory,
    CentreFactory,
    ChildFactory,
    EnrolmentFactory,
    FormulaFactory,
    PeriodFactory,
    PublicHolidayFactory,
    SchoolHolidayFactory,
    SchoolingFactory,
    paris,
)

FORMULAS = [
    ("matinee", "Matinée", ["morning"]),
    ("repas", "Repas", ["noon"]),
    ("apres-midi", "Après-midi", ["afternoon"]),
    ("journee", "Journée", ["morning", "noon", "afternoon"]),
]
WEDNESDAY, NEXT_WEDNESDAY = date(2026, 11, 18), date(2026, 11, 25)
# The four days of the week before Christmas, and the Monday after it.
MONDAY, TUESDAY, THURSDAY = date(2026, 12, 21), date(2026, 12, 22), date(2026, 12, 24)
MONDAY_AFTER = date(2026, 12, 28)


@pytest.fixture
def centre(school: Establishment) -> Establishment:
    """Takes the pupils of the cast's school."""
    return CentreFactory(code="les-roseaux", name="Centre des Roseaux", serves=[school])


def _activity(code: str, name: str, centre: Establishment, **more) -> SimpleNamespace:
    activity = ActivityFactory(
        code=code, name=name, service="leisure", establishments=[centre], min_age=3, max_age=12, **more
    )
    formulas = {
        key: FormulaFactory(activity=activity, code=key, name=label, parts=parts, order=order)
        for order, (key, label, parts) in enumerate(FORMULAS)
    }
    return SimpleNamespace(
        activity=activity,
        formulas=formulas,
        morning=formulas["matinee"],
        meal=formulas["repas"],
        afternoon=formulas["apres-midi"],
        whole=formulas["journee"],
        centre=centre,
    )


@pytest.fixture
def wednesdays(now: datetime, town, year: SchoolYear, rule, centre: Establishment) -> SimpleNamespace:
    """« Mercredis »: accepted while there is room, until two days before at 10:00."""
    found = _activity("mercredis", "Mercredis", centre, weekdays=0b100, order=2)
    found.period = PeriodFactory(
        activity=found.activity,
        school_year=year,
        code="mercredis-2",
        name="Mercredis de novembre et décembre",
    )
    for action in ("book", "cancel"):
        ActivityDeadlineFactory(activity=found.activity, action=action, rule=rule)
    open_slots(found.period, at=now)
    return found


@pytest.fixture
def holidays(now: datetime, town, year: SchoolYear, rule, centre: Establishment) -> SimpleNamespace:
    """« Vacances »: on request. `period` is Christmas, open; `later` is winter, which opens in December."""
    SchoolHolidayFactory(name="Vacances de Noël", starts_on=date(2026, 12, 19), ends_on=date(2027, 1, 3))
    PublicHolidayFactory(day=date(2026, 12, 25), name="Noël")
    PublicHolidayFactory(day=date(2027, 1, 1), name="Jour de l'an")
    SchoolHolidayFactory(name="Vacances d'hiver", starts_on=date(2027, 2, 13), ends_on=date(2027, 2, 28))
    found = _activity(
        "vacances",
        "Vacances",
        centre,
        during=Activity.During.HOLIDAYS,
        processing=Activity.Processing.ON_REQUEST,
        order=3,
    )
    found.period = PeriodFactory(
        activity=found.activity,
        school_year=year,
        code="noel",
        name="Vacances de Noël 2026",
        starts_on=date(2026, 12, 19),
        ends_on=date(2027, 1, 3),
    )
    found.later = PeriodFactory(
        activity=found.activity,
        school_year=year,
        code="hiver",
        name="Vacances d'hiver 2027",
        starts_on=date(2027, 2, 13),
        ends_on=date(2027, 2, 28),
        opens_at=paris(2026, 12, 14, 8),
        opens_at_non_residents=paris(2026, 12, 21, 8),
    )
    for action in ("book", "cancel"):
        ActivityDeadlineFactory(activity=found.activity, action=action, rule=rule)
    open_slots(found.period, at=now)
    open_slots(found.later, at=now)
    return found


@pytest.fixture
def plays(now: datetime, school_class) -> Family:
    """Camille Roux and Lina, 8, who goes to the cast's school and is enrolled nowhere yet."""
    return family("roux", "Roux", "Lina", school_class)


@pytest.fixture
def enrol(year: SchoolYear) -> Callable[..., Enrolment]:
    """Accepts a family's child, or `child`, to an activity of the centre."""

    def accept(who: Family, where: SimpleNamespace, child=None, **more) -> Enrolment:
        return EnrolmentFactory(
            household=who.household,
            child=child or who.child,
            activity=where.activity,
            establishment=more.pop("establishment", where.centre),
            school_year=year,
            requested_by=who.user,
            **more,
        )

    return accept


@pytest.fixture
def brother(plays: Family, school_class):
    """Hugo, 6, Lina's brother."""
    child = ChildFactory(
        first_name="Hugo", last_name="Roux", birth_date=date(2020, 5, 4), households=[plays.household]
    )
    SchoolingFactory(child=child, school_class=school_class)
    return child


def value(formula, day: date) -> str:
    """What a cell's checkbox posts."""
    return f"{formula.pk}:{day.isoformat()}"


def fill(where: SimpleNamespace, day: date, part: str, capacity: int) -> Slot:
    """Leaves a part of a day so many places in all."""
    slot = Slot.objects.get(activity=where.activity, day=day, part=part, formula=None)
    slot.capacity = capacity
    slot.save()
    return slot
