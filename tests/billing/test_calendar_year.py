"""A year from February to December, as overseas towns and some associations have it: rows of school years say
it."""

from datetime import date

import pytest

from billing.models import AbsencePolicy
from billing.rules import absences
from portal.reservations.acts.opening import open_slots
from portal.reservations.days.limits import reference_day
from portal.reservations.models import SchoolYear
from portal.reservations.pages.planning import Planning
from portal.reservations.states import CellState
from portal.reservations.towns import town_file
from tests.factories import EnrolmentFactory, PeriodFactory, paris

pytestmark = pytest.mark.django_db
FILE = """
années_scolaires:
  - {nom: "2027", du: 2027-02-15, au: 2027-12-17}
  - {nom: "2028", du: 2028-02-14, au: 2028-12-15}
"""


@pytest.fixture
def austral(canteen) -> SchoolYear:
    """The town's year runs from February to December 2027."""
    town_file.load(FILE)
    return SchoolYear.objects.get(name="2027")


def test_the_file_says_a_year_within_one_calendar_year(austral):
    assert (austral.starts_on, austral.ends_on) == (date(2027, 2, 15), date(2027, 12, 17))
    serving = SchoolYear.objects.serving(date(2028, 1, 10)).order_by("starts_on")
    assert serving.first() == austral  # until the next one begins


def test_a_child_is_enrolled_and_books_in_august(austral, books, canteen):
    period = PeriodFactory(
        activity=canteen.activity,
        school_year=austral,
        starts_on=date(2027, 2, 15),
        ends_on=date(2027, 12, 17),
        opens_at=paris(2027, 1, 1),
    )
    enrolment = EnrolmentFactory(
        household=books.household, child=books.child, activity=canteen.activity, school_year=austral,
        establishment=canteen.restaurant, starts_on=austral.starts_on,
    )  # fmt: skip
    open_slots(period, at=paris(2027, 5, 3, 9))
    week = (date(2027, 8, 2), date(2027, 8, 6))
    plan = Planning.build(enrolment, canteen.restaurant, period, at=paris(2027, 5, 3, 9), within=week)
    states = {cell.day: cell.state for cell in plan.cells.values() if week[0] <= cell.day <= week[1]}
    # No holiday of the town's calendar closes this August: the days are free.
    assert states and set(states.values()) == {CellState.FREE}


def test_the_age_of_a_fixed_date_still_goes_by_september(austral, books, canteen):
    """Said in docs/rules.md: 31 December and 1 September are those of the usual school year."""
    assert reference_day("december", date(2027, 8, 2)) == date(2026, 12, 31)


def test_days_a_year_are_counted_from_february(austral):
    AbsencePolicy.objects.create(free_days_a_year=1)
    rule = AbsencePolicy.rules().of(1)
    january, december = date(2028, 1, 10), date(2027, 12, 10)
    assert absences.year_start(rule.year_starts, january) == austral.starts_on
    missed = [absences.Missed(day, absences.Reason.ILLNESS) for day in (december, date(2028, 2, 15))]
    assert absences.billed(rule, missed, [one.day for one in missed]) == set()
