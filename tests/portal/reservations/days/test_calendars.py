"""Which days are open, and the words for those that are not."""

from collections.abc import Callable
from datetime import date

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from portal.models import Town
from portal.reservations.days.calendars import OpenDays, Pupil, WhyClosed
from portal.reservations.models import Activity, Closure
from tests.factories import (
    ActivityFactory,
    CentreFactory,
    ClosureFactory,
    EstablishmentFactory,
    PublicHolidayFactory,
    SchoolClassFactory,
    SchoolHolidayFactory,
    SchoolingFactory,
)

FIRST, LAST = date(2026, 11, 1), date(2027, 1, 31)
THURSDAY = date(2026, 12, 3)
WEDNESDAY = date(2026, 12, 2)
TUESDAY, FRIDAY = date(2026, 12, 1), date(2026, 12, 4)
SATURDAY = date(2026, 12, 5)


def reasons(calendar: OpenDays, *days: date) -> list[str]:
    return [str(calendar.why_closed(day) or "ouvert") for day in days]


@pytest.fixture
def calendar_of(canteen):
    """Loads the canteen's calendar, or another activity's or establishment's."""

    def load(activity=None, establishment=None, schooling=None) -> OpenDays:
        pupil = schooling and Pupil(schooling.child_id, schooling.school_year_id)
        return OpenDays.load(
            activity or canteen.activity, establishment or canteen.restaurant, FIRST, LAST, pupil
        )

    return load


def test_a_closed_day_says_why(calendar_of) -> None:
    days = [THURSDAY, SATURDAY, date(2026, 11, 11), date(2026, 12, 23)]
    assert reasons(calendar_of(), *days) == [
        "ouvert",
        "fermé le samedi",
        "férié : Armistice de 1918",
        "Vacances de Noël",
    ]


def test_a_day_outside_the_school_year_is_closed(canteen) -> None:
    summer = date(2027, 8, 10)
    calendar = OpenDays.load(canteen.activity, canteen.restaurant, summer, summer)
    assert calendar.why_closed(summer).kind == WhyClosed.OUT_OF_YEAR


def test_a_holiday_activity_is_open_in_the_holidays_only(canteen, calendar_of) -> None:
    centre = CentreFactory()
    holidays = ActivityFactory(during=Activity.During.HOLIDAYS, establishments=[centre])
    always = ActivityFactory(during=Activity.During.ALWAYS, establishments=[centre])
    days = [THURSDAY, date(2026, 12, 23)]
    assert reasons(calendar_of(holidays, centre), *days) == ["hors vacances scolaires", "ouvert"]
    assert reasons(calendar_of(always, centre), *days) == ["ouvert", "ouvert"]


def test_both_the_activity_and_the_establishment_say_their_weekdays(canteen, calendar_of) -> None:
    closed_on_wednesday = EstablishmentFactory(open_weekdays=0b11011)
    assert reasons(calendar_of(establishment=closed_on_wednesday), WEDNESDAY) == ["fermé le mercredi"]
    wednesdays = ActivityFactory(weekdays=0b100, establishments=[canteen.restaurant])
    assert reasons(calendar_of(wednesdays), WEDNESDAY, THURSDAY) == ["ouvert", "fermé le jeudi"]


def test_a_closure_concerns_its_establishment_its_activity_its_class(
    canteen, calendar_of, year, school
) -> None:
    other_class = SchoolClassFactory(school=school, school_year=year, name="CM2")
    other = EstablishmentFactory(name="Autre restaurant")
    ClosureFactory(starts_on=THURSDAY, ends_on=THURSDAY, establishment=other, why="works")
    ClosureFactory(starts_on=WEDNESDAY, ends_on=WEDNESDAY, activity=ActivityFactory(), why="other")
    trip = ClosureFactory(
        starts_on=THURSDAY, ends_on=THURSDAY, school_class=other_class, why="trip", label="Zoo"
    )
    assert reasons(calendar_of(), WEDNESDAY, THURSDAY) == ["ouvert", "ouvert"]
    assert reasons(calendar_of(establishment=other), THURSDAY) == ["Travaux"]
    pupil = SchoolingFactory(school_class=other_class, school_year=year)
    assert calendar_of(schooling=pupil).why_closed(THURSDAY) == WhyClosed("trip", trip.label)


def test_a_strike_at_school_leaves_no_day_of_its_pupils_to_reserve(canteen, calendar_of, year, school):
    own = SchoolingFactory(school_class=SchoolClassFactory(school=school, school_year=year))
    elsewhere = SchoolClassFactory(school=EstablishmentFactory(kind="school"), school_year=year)
    other = SchoolingFactory(school_class=elsewhere)
    ClosureFactory(starts_on=THURSDAY, ends_on=THURSDAY, establishment=school, why="strike")
    assert reasons(calendar_of(schooling=own), WEDNESDAY, THURSDAY) == ["ouvert", "Grève"]
    assert reasons(calendar_of(schooling=other), THURSDAY) == ["ouvert"]
    assert reasons(calendar_of(), THURSDAY) == ["ouvert"]
    # The restaurant itself works: its deadlines count that day.
    assert calendar_of(schooling=own).is_establishment_open(THURSDAY)


@pytest.mark.parametrize("what", ["class", "school"])
def test_who_changes_school_is_away_with_each_one_on_the_days_it_attends_it(
    canteen, calendar_of, year, school, what
):
    old = SchoolClassFactory(school=school, school_year=year, name="CM2")
    new = SchoolClassFactory(school=EstablishmentFactory(kind="school"), school_year=year, name="CM2")
    child = SchoolingFactory(school_class=old, ends_on=WEDNESDAY).child
    attends = SchoolingFactory(child=child, school_class=new, starts_on=THURSDAY)
    for label, there in (("Ancienne", old), ("Nouvelle", new)):
        closed = {"school_class": there} if what == "class" else {"establishment": there.school}
        ClosureFactory(starts_on=TUESDAY, ends_on=FRIDAY, why="other", label=label, **closed)
    assert reasons(calendar_of(schooling=attends), TUESDAY, WEDNESDAY, THURSDAY, FRIDAY) == [
        "Ancienne",
        "Ancienne",
        "Nouvelle",
        "Nouvelle",
    ]


def test_a_strike_without_a_text_says_its_reason(calendar_of, canteen) -> None:
    ClosureFactory(starts_on=THURSDAY, ends_on=date(2026, 12, 4), why=Closure.Why.STRIKE, label="")
    assert calendar_of().why_closed(THURSDAY) == WhyClosed("strike", "Grève")


def test_an_exceptional_opening_opens_a_closed_day(calendar_of, canteen) -> None:
    armistice = date(2026, 11, 11)
    for day in (SATURDAY, armistice):
        ClosureFactory(starts_on=day, ends_on=day, opens=True)
    assert reasons(calendar_of(), SATURDAY, armistice) == ["ouvert", "ouvert"]
    assert calendar_of().is_establishment_open(SATURDAY)


def test_what_was_written_last_counts(calendar_of, canteen) -> None:
    ClosureFactory(starts_on=SATURDAY, ends_on=SATURDAY, opens=True)
    ClosureFactory(starts_on=SATURDAY, ends_on=SATURDAY, why="strike")
    assert calendar_of().why_closed(SATURDAY).kind == "strike"


def test_the_holidays_are_those_of_the_towns_zone(calendar_of, canteen, town) -> None:
    SchoolHolidayFactory(zone=Town.Zone.C, name="Vacances d'hiver", starts_on=THURSDAY, ends_on=THURSDAY)
    assert reasons(calendar_of(), THURSDAY) == ["ouvert"]
    town.zone = Town.Zone.C
    town.save()
    assert reasons(calendar_of(), THURSDAY) == ["Vacances d'hiver"]


def test_a_class_on_a_trip_does_not_close_the_school_for_deadlines(
    calendar_of, canteen, school_class
) -> None:
    ClosureFactory(starts_on=THURSDAY, ends_on=THURSDAY, school_class=school_class, why="trip")
    calendar = calendar_of(
        schooling=SchoolingFactory(school_class=school_class, school_year=school_class.school_year)
    )
    assert not calendar.is_open(THURSDAY)
    assert calendar.is_establishment_open(THURSDAY) and calendar.is_school_day(THURSDAY)


def test_the_open_days_of_a_week(calendar_of, canteen) -> None:
    days = calendar_of().days(date(2026, 11, 9), date(2026, 11, 15))
    assert [day.day for day in days] == [9, 10, 12, 13]


@pytest.mark.parametrize("rows", [1, 10])
def test_loading_costs_the_same_whatever_the_calendar_holds(calendar_of, canteen, rows: int) -> None:
    for index in range(rows):
        ClosureFactory(starts_on=THURSDAY, ends_on=THURSDAY)
        PublicHolidayFactory(day=date(2026, 12, 6 + index))
        EstablishmentFactory(name=f"Restaurant {index}", code=f"restaurant-{index}")
    with CaptureQueriesContext(
        connection,
    ) as queries:
        calendar_of()
    assert len(queries) <= 4


def test_many_establishments_are_loaded_at_once(canteen, django_assert_max_num_queries) -> None:
    places = [EstablishmentFactory(code=f"lieu-{index}") for index in range(10)]
    ClosureFactory(starts_on=THURSDAY, ends_on=THURSDAY, establishment=places[3])
    with django_assert_max_num_queries(5):
        calendars = OpenDays.load_many(canteen.activity, places, FIRST, LAST)
    assert [pk for pk, calendar in calendars.items() if not calendar.is_open(THURSDAY)] == [places[3].pk]


# Two zones ------------------------------------------------------------------------------------------------

# Of zone B alone, then of both: the canteen's own year has Noël from the 19th in zone A.
ONLY_B, BOTH, ONLY_A = date(2026, 12, 17), date(2026, 12, 21), date(2027, 1, 1)


@pytest.fixture
def on_the_edge(canteen) -> Callable[..., Activity]:
    """Half of the children are of zone B, whose Christmas holidays begin and end earlier."""
    SchoolHolidayFactory(
        zone="B", name="Noël en zone B", starts_on=date(2026, 12, 16), ends_on=date(2026, 12, 28)
    )

    def activity(*zones: str, during: str = "term") -> Activity:
        return ActivityFactory(zones=list(zones), during=during, establishments=[canteen.restaurant])

    return activity


def test_the_towns_zone_holds_where_an_activity_says_none(calendar_of, on_the_edge) -> None:
    days = reasons(calendar_of(on_the_edge()), ONLY_B, BOTH, ONLY_A)
    assert days == ["ouvert", "Vacances de Noël", "Vacances de Noël"]
    assert reasons(calendar_of(on_the_edge("B")), ONLY_B, ONLY_A) == ["Noël en zone B", "ouvert"]


def test_a_canteen_of_two_zones_is_open_while_either_has_class(calendar_of, on_the_edge) -> None:
    calendar = calendar_of(on_the_edge("A", "B"))
    assert reasons(calendar, ONLY_B, BOTH, ONLY_A) == ["ouvert", "Vacances de Noël", "ouvert"]
    assert [calendar.is_school_holiday(day) for day in (ONLY_B, BOTH, ONLY_A)] == [False, True, False]


def test_holiday_care_of_two_zones_is_open_while_either_is_on_holiday(calendar_of, on_the_edge) -> None:
    calendar = calendar_of(on_the_edge("A", "B", during="holidays"))
    assert reasons(calendar, ONLY_B, BOTH, ONLY_A) == ["ouvert"] * 3
    assert reasons(calendar, THURSDAY) == ["hors vacances scolaires"]


@pytest.mark.parametrize("zones", [[], ["A", "B"], ["A", "B", "C"]])
def test_zones_cost_no_query_more(canteen, on_the_edge, zones, django_assert_num_queries) -> None:
    activity = on_the_edge(*zones)
    OpenDays.load(activity, canteen.restaurant, FIRST, LAST)  # reads the town, which is kept
    with django_assert_num_queries(1):
        OpenDays.load(activity, canteen.restaurant, FIRST, LAST)
