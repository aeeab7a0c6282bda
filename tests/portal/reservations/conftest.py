"""More of the cast: families in number, and an activity whose days have parts."""

from collections.abc import Callable, Iterator
from datetime import date
from types import SimpleNamespace

import pytest

from portal.reservations.models import Slot
from tests.conftest import Family, enrolled, family
from tests.factories import (
    ActivityDeadlineFactory,
    ActivityFactory,
    CentreFactory,
    EnrolmentFactory,
    FormulaFactory,
    PeriodFactory,
)
from tests.portal.reservations.audit import audit

WEDNESDAY = date(2026, 11, 18)


@pytest.fixture
def books_kept(db: None) -> Iterator[None]:
    """After the test, places and bookings must agree."""
    yield
    audit()


@pytest.fixture
def another(canteen, year, school_class) -> Callable[[str], Family]:
    """Makes one more family accepted at the canteen."""

    def make(name: str) -> Family:
        return enrolled(family(name.lower(), name, f"Enfant {name}", school_class), canteen, year)

    return make


@pytest.fixture
def shut(canteen) -> Callable[..., Slot]:
    """Gives the canteen only so many places on a day."""

    def limit(day: date, places: int) -> Slot:
        Slot.objects.filter(pk=canteen.slot(day).pk).update(capacity=places)
        return canteen.slot(day)

    return limit


@pytest.fixture
def wednesdays(now, town, year, rule):
    """A leisure centre on Wednesdays: Matinée, Après-midi, Journée; parts morning, noon, afternoon.

    Like `canteen`: `activity`, `period`, `restaurant` (the centre), `slots(day)`, and the three formulas.
    """
    centre = CentreFactory(code="les-roseaux", name="Centre des Roseaux")
    activity = ActivityFactory(
        code="mercredis", name="Mercredis", service="loisirs", establishments=[centre], weekdays=0b100
    )
    formulas = {
        code: FormulaFactory(activity=activity, code=code, name=name, parts=parts, order=order)
        for order, (code, name, parts) in enumerate(
            [
                ("matinee", "Matinée", ["morning"]),
                ("apres-midi", "Après-midi", ["afternoon"]),
                ("journee", "Journée", ["morning", "noon", "afternoon"]),
            ]
        )
    }
    period = PeriodFactory(activity=activity, school_year=year, code="mercredis-2")
    for action in ("book", "cancel"):
        ActivityDeadlineFactory(activity=activity, action=action, rule=rule)
    Slot.objects.bulk_create(
        Slot(activity=activity, establishment=centre, day=day, part=part)
        for day in (WEDNESDAY, date(2026, 11, 25), date(2026, 12, 2))
        for part in ("morning", "noon", "afternoon")
    )

    def slots(day: date) -> dict[str, Slot]:
        return {slot.part: slot for slot in Slot.objects.filter(activity=activity, day=day, formula=None)}

    return SimpleNamespace(
        activity=activity,
        period=period,
        restaurant=centre,
        formula=formulas["journee"],
        morning=formulas["matinee"],
        afternoon=formulas["apres-midi"],
        whole=formulas["journee"],
        slots=slots,
    )


@pytest.fixture
def plays(wednesdays, year) -> Callable[[Family], Family]:
    """Enrols a family's child at the centre too."""

    def enrol(who: Family) -> Family:
        enrolment = EnrolmentFactory(
            household=who.household,
            child=who.child,
            activity=wednesdays.activity,
            establishment=wednesdays.restaurant,
            school_year=year,
        )
        return Family(who.household, who.guardian, who.user, who.child, enrolment)

    return enrol
