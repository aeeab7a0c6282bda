"""A school year turns: 1 000 children in 40 classes of four schools go a class up, in one transaction, with a
year of periods and slots; and the page that says beforehand where they go.

`python -m tests.bench school_years` runs it alone.
"""

from datetime import date, timedelta

from django.contrib.auth.models import Group
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from families.models import Child
from portal.models import Town
from portal.reservations.acts import going_up, next_year
from portal.reservations.models import Period, SchoolHoliday, Schooling, SchoolYear, Slot, YearTurn
from portal.reservations.staff import giving
from tests.bench import yardsticks
from tests.bench.engine import Measure, measure, over
from tests.factories import (
    ActivityFactory,
    EstablishmentFactory,
    FormulaFactory,
    SchoolClassFactory,
    SchoolFactory,
    TownFactory,
    UserFactory,
)

CHILDREN, SCHOOLS = 1000, 4
GRADES = ("PS", "MS", "GS", "CP", "CE1", "CE1-CE2", "CE2", "CM1", "CM1-CM2", "CM2")
# Rows that are written in any case: a schooling and a way a child, the slots of a year at two restaurants.
ROWS = 2 * CHILDREN + 800
ALLOWED, ALLOWED_QUERIES = 20, 100


def fill() -> tuple[SchoolYear, date]:
    """The town, its children and a canteen; holidays of both years, so that slots open."""
    year = SchoolYear.objects.create(name="2090-2091", starts_on=date(2090, 9, 1), ends_on=date(2091, 7, 3))
    zone = Town.objects.get().zone
    for begun in (2090, 2091):
        first = date(begun, 10, 20)
        SchoolHoliday.objects.create(
            zone=zone, name="Toussaint", starts_on=first, ends_on=first + timedelta(days=15)
        )
    schools = [SchoolFactory() for _ in range(SCHOOLS)]
    rooms = [
        (SchoolClassFactory(school=school, school_year=year, name=name), 2087 - number)
        for school in schools
        for number, name in enumerate(GRADES)
    ]
    children = Child.objects.bulk_create(
        Child(first_name=f"Enfant {n}", last_name="Mesure", birth_date=date(rooms[n % len(rooms)][1], 3, 4))
        for n in range(CHILDREN)
    )
    Schooling.objects.bulk_create(
        Schooling(child=child, school_class=rooms[number % len(rooms)][0], school_year=year)
        for number, child in enumerate(children)
    )
    activity = ActivityFactory(establishments=[EstablishmentFactory(serves=schools[n::2]) for n in (0, 1)])
    FormulaFactory(activity=activity)
    Period.objects.create(
        activity=activity,
        school_year=year,
        code="annee-2090-2091",
        name="Année 2090-2091",
        starts_on=year.starts_on,
        ends_on=year.ends_on,
    )
    return year, date(2091, 9, 1)


def run() -> list[Measure]:
    if not Town.objects.exists():
        TownFactory()
    at = timezone.now()
    manager = UserFactory(username="responsable-annee", is_staff=True)
    giving.give(manager, Group.objects.get(name="Responsable"), by=None)
    year, first = fill()
    asked = next_year.Proposed("2091-2092", first, date(2092, 7, 3))
    turn: YearTurn = next_year.begin(year, asked, by=manager, at=at)
    with CaptureQueriesContext(connection) as read:
        pupils = going_up.read(turn)
    with CaptureQueriesContext(connection) as written:
        next_year.carry_out(turn, by=manager, at=at)
    there = Schooling.objects.filter(school_year__name="2091-2092").count()
    leaving = sum(one.goes == going_up.Goes.LEAVES for one in pupils)
    with transaction.atomic():
        next_year.take_back(turn, by=manager, at=at)
    seconds = []
    for _ in range(3):
        seconds.append(yardsticks.timed(lambda: next_year.carry_out(turn, by=manager, at=at)))
        next_year.take_back(turn, by=manager, at=at)
    left = Slot.objects.filter(day__gte=first).count()
    return [
        measure("year_turn_lost_children", abs(CHILDREN - there - leaving) + left, "rows", 1),
        measure("year_turn_read_queries", len(read), "queries", 6),
        measure("year_turn_1000_queries", len(written), "queries", ALLOWED_QUERIES),
        over("year_turn_1000_over_rows", min(seconds), yardsticks.seconds_to_insert(ROWS), ALLOWED),
    ]
