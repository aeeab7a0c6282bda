"""Whom an activity takes: the age and the class of the day itself count, not those of the day one asks on."""

from datetime import date, timedelta

import pytest
from django.core.exceptions import ValidationError

from portal import town
from portal.french.grades import Grade
from portal.reservations.acts import enrolling
from portal.reservations.acts.enrolling import EnrolmentRefused
from portal.reservations.days.limits import Limits, reference_day
from portal.reservations.models import Activity
from portal.reservations.pages.planning import Planning
from portal.reservations.states import CellState, Outcome
from tests.conftest import brother_of
from tests.factories import SchoolClassFactory, SchoolingFactory
from tests.portal.reservations.audit import outcomes, reasons, reserve

FIRST_OF_DECEMBER = date(2026, 12, 1)
A_DAY = timedelta(days=1)


@pytest.fixture
def limits(canteen):
    """Sets the limits of the canteen."""

    def say(**given: int) -> Activity:
        Activity.objects.filter(pk=canteen.activity.pk).update(**given)
        canteen.activity.refresh_from_db()
        return canteen.activity

    return say


def born(who, day: date) -> None:
    who.child.birth_date = day
    who.child.save()


@pytest.fixture
def ask(canteen, year, now):
    def request(who, starts_on=date(2026, 11, 9)):
        return enrolling.request(
            household=who.household,
            child=who.child,
            activity=canteen.activity,
            establishment=canteen.restaurant,
            school_year=year,
            weekdays=1,
            starts_on=starts_on,
            by=who.user,
            at=now,
        )

    return request


def cells(who, canteen, now, *days: date):
    plan = Planning.build(who.enrolment, canteen.restaurant, canteen.period, at=now)
    return [next(cell for cell in plan.cells.values() if cell.day == day) for day in days]


# Age ------------------------------------------------------------------------------------------------------


def test_three_years_on_the_first_of_december_asked_on_the_ninth_of_november(stranger, limits, ask):
    limits(min_age=3)
    born(stranger, date(2023, 12, 1))
    assert ask(stranger).starts_on == date(2026, 11, 9)


def test_the_planning_says_from_when_and_recording_keeps_to_it(books, canteen, limits, now):
    limits(min_age=3)
    born(books, date(2023, 12, 1))
    eve, day = FIRST_OF_DECEMBER - A_DAY, FIRST_OF_DECEMBER
    closed, free = cells(books, canteen, now, eve, day)
    assert (closed.state, closed.field) == (CellState.CLOSED, "")
    assert closed.note == "Accueil à partir de 3 ans : Lina les aura le 1er décembre 2026."
    assert closed.short == "dès 3 ans"
    assert (free.state, free.field) == (CellState.FREE, "book")
    reservation = reserve(books, canteen, eve, day, at=now)
    assert outcomes(reservation) == [Outcome.REFUSED, Outcome.ACCEPTED]
    assert reasons(reservation)[0] == closed.note


def test_thirteen_that_day_with_at_most_twelve(books, stranger, canteen, limits, ask, now):
    limits(max_age=12)
    born(books, date(2013, 11, 20))
    assert outcomes(reserve(books, canteen, date(2026, 11, 19), date(2026, 11, 20), at=now)) == [
        Outcome.ACCEPTED,
        Outcome.REFUSED,
    ]
    born(stranger, date(2013, 11, 10))
    assert ask(stranger)  # the day before, one day is left
    stranger.child.enrolments.all().delete()
    with pytest.raises(EnrolmentRefused, match=r"Zoé aura 13 ans le mardi 10 .* jusqu'à 12 ans"):
        ask(stranger, date(2026, 11, 10))


def test_who_turns_three_in_the_summer_of_the_year_is_taken_by_its_summer_period(
    stranger, canteen, limits, ask, year
):
    limits(min_age=3)
    born(stranger, date(2024, 8, 1))
    with pytest.raises(EnrolmentRefused, match="Zoé aura 2 ans le"):
        ask(stranger)
    canteen.activity.periods.create(
        school_year=year, code="ete", name="Été", starts_on=date(2027, 7, 5), ends_on=date(2027, 8, 27)
    )
    assert ask(stranger)


def test_who_is_born_on_the_twenty_ninth_of_february_is_a_year_older_on_the_first_of_march(
    books, canteen, limits
):
    limits(min_age=3)
    born(books, date(2024, 2, 29))
    found = Limits.of(canteen.activity, books.child, books.enrolment.school_year_id)
    why = found.why_not(date(2027, 2, 28))
    assert why and "le 1er mars 2027" in why.reason
    assert found.why_not(date(2027, 3, 1)) is None


# Class ----------------------------------------------------------------------------------------------------


def test_until_the_last_class_of_primary_school_and_no_further(books, canteen, limits, school, now):
    """Lina is in CE1 until a change of class on the day itself."""
    limits(last_grade=Grade.CM2)
    assert cells(books, canteen, now, date(2026, 11, 26))[0].field == "book"
    enrolling.attend(books.child, SchoolClassFactory(school=school, name="6e B"), since=date(2026, 11, 27))
    before, after = cells(books, canteen, now, date(2026, 11, 26), date(2026, 11, 27))
    assert (before.field, after.field) == ("book", "")
    assert after.note == "Accueil jusqu'au CM2 : Lina est en « 6e B » ce jour-là."
    assert outcomes(reserve(books, canteen, before.day, after.day, at=now)) == ["accepted", "refused"]


def test_before_sixth_grade_holds_through_the_summer_after_it(books, canteen, limits, year, school):
    """The class of the year of service counts: that summer, the child has not entered the next one."""
    limits(last_grade=Grade.CM2)
    books.child.schoolings.all().delete()
    SchoolingFactory(child=books.child, school_class=SchoolClassFactory(school=school, name="CM2 A"))
    found = Limits.of(canteen.activity, books.child, year.pk)
    assert found.why_not(date(2027, 8, 20)) is None


def test_from_a_class_on_the_one_enrols_who_enters_it_later(stranger, canteen, limits, ask, school):
    limits(first_grade=Grade.CP)
    SchoolingFactory(child=stranger.child, school_class=SchoolClassFactory(school=school, name="GS"))
    with pytest.raises(EnrolmentRefused, match="Accueil à partir du CP : Zoé est en « GS » ce jour-là"):
        ask(stranger)
    enrolling.attend(stranger.child, SchoolClassFactory(school=school, name="CP"), since=date(2027, 1, 4))
    assert ask(stranger)


@pytest.mark.parametrize(
    ("name", "level", "taken"),
    [
        ("CE1-CE2", "elementaire", True),  # one of the two is meant
        ("CE2-CM1", "elementaire", False),
        ("ULIS", "elementaire", True),  # nobody knows: the town hall does
        ("Les Coccinelles", "maternelle", True),
        ("Les Aigles", "college", False),
    ],
)
def test_only_what_is_known_refuses(books, canteen, limits, year, school, name, level, taken):
    limits(last_grade=Grade.CE1)
    books.child.schoolings.all().delete()
    SchoolingFactory(
        child=books.child, school_class=SchoolClassFactory(school=school, name=name, level=level)
    )
    why = Limits.of(canteen.activity, books.child, year.pk).why_not(date(2026, 11, 26))
    assert (why is None) == taken


def test_a_child_without_a_class_is_taken_by_its_age(stranger, limits, ask):
    limits(first_grade=Grade.CP, last_grade=Grade.CM2)
    assert ask(stranger)


# Queries --------------------------------------------------------------------------------------------------


def test_classes_are_read_once_for_all_children_and_only_where_they_count(
    books, canteen, limits, now, school_class, django_assert_num_queries
):
    wanted = [(books.enrolment, canteen.restaurant)]
    for number in range(3):
        more = brother_of(books, f"Enfant {number}")
        SchoolingFactory(child=more.child, school_class=school_class)
        wanted.append((more, canteen.restaurant))
    town.current()
    usual = 5 + 3  # one for each further child
    with django_assert_num_queries(usual):
        Planning.together(wanted, canteen.period, at=now)
    limits(last_grade=Grade.CM2)
    for enrolment, _ in wanted:
        enrolment.activity.last_grade = Grade.CM2
    with django_assert_num_queries(usual + 1):
        Planning.together(wanted, canteen.period, at=now)


# A date of the school year --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("counts", "day", "on"),
    [
        ("day", date(2027, 3, 1), date(2027, 3, 1)),
        ("december", date(2026, 9, 1), date(2026, 12, 31)),
        ("december", date(2027, 8, 31), date(2026, 12, 31)),
        ("december", date(2027, 9, 1), date(2027, 12, 31)),
        ("september", date(2026, 12, 1), date(2026, 9, 1)),
        ("september", date(2027, 7, 1), date(2026, 9, 1)),
    ],
)
def test_the_day_on_which_an_age_counts(counts, day, on):
    assert reference_day(counts, day) == on


def test_three_years_on_31_december_are_old_enough_in_september(stranger, limits):
    activity = limits(min_age=3, age_counts="december")
    born(stranger, date(2023, 12, 31))
    september = date(2026, 9, 7)
    assert Limits(activity, stranger.child).why_not(september) is None
    born(stranger, date(2024, 1, 1))
    why = Limits(activity, stranger.child).why_not(september)
    assert why is not None and "aura 2 ans le 31 décembre 2026" in why.reason
    assert "aura 2 ans" in Limits(activity, stranger.child).refusal(september, date(2027, 7, 2))


def test_eleven_years_on_1_september_stay_welcome_until_the_summer(stranger, limits):
    activity = limits(max_age=11, age_counts="september")
    born(stranger, date(2015, 9, 2))
    assert Limits(activity, stranger.child).why_not(date(2027, 8, 30)) is None
    born(stranger, date(2014, 9, 1))
    assert Limits(activity, stranger.child).why_not(date(2026, 9, 7)) is not None


# Formulas -------------------------------------------------------------------------------------------------


@pytest.fixture
def formula(canteen):
    """Sets the limits of the canteen's formula."""

    def say(**given):
        for name, value in given.items():
            setattr(canteen.formula, name, value)
        canteen.formula.save()
        canteen.activity.refresh_from_db()
        return canteen.activity

    return say


def test_a_formula_takes_the_older_ones_only_and_says_so(books, formula, canteen, now):
    formula(min_age=6)
    born(books, FIRST_OF_DECEMBER.replace(year=2020))
    before, on = cells(books, canteen, now, FIRST_OF_DECEMBER - A_DAY, FIRST_OF_DECEMBER)
    assert before.state == CellState.CLOSED
    assert f"« {canteen.formula} » accueille à partir de 6 ans" in before.note
    assert on.state == CellState.FREE


def test_a_formula_of_some_classes(stranger, formula, canteen, year, school):
    activity = formula(first_grade=Grade.CP, last_grade=Grade.CE2)
    child = stranger.child
    for name, taken in (("GS", False), ("CP", True), ("CE2-CM1", True), ("CM1", False)):
        child.schoolings.all().delete()
        room = SchoolClassFactory(school=school, school_year=year, name=name)
        SchoolingFactory(child=child, school_class=room)
        found = Limits.of(activity, child, year.pk).why_not(date(2026, 11, 30), canteen.formula.pk)
        assert (found is None) is taken, name


def test_what_a_formula_refuses_is_refused_when_it_is_saved(books, formula, canteen, now):
    formula(max_age=2)
    answer = reserve(books, canteen, date(2026, 11, 30), at=now)
    assert outcomes(answer) != [Outcome.ACCEPTED]


def test_a_town_whose_formulas_have_no_limits_asks_for_none(
    stranger, formula, canteen, year, django_assert_num_queries
):
    activity = formula()
    assert not activity.formulas_limited
    with django_assert_num_queries(0):
        Limits.of(activity, stranger.child, year.pk)
    activity = formula(min_age=6)
    assert activity.formulas_limited and activity.is_limited
    with django_assert_num_queries(1):
        Limits.of(activity, stranger.child, year.pk)
    assert not formula(min_age=None).formulas_limited


@pytest.mark.parametrize(
    "wrong", [{"min_age": 6, "max_age": 5}, {"first_grade": Grade.CM1, "last_grade": Grade.CP}]
)
def test_limits_of_a_formula_that_let_nobody_in_are_refused(canteen, wrong):
    for name, value in wrong.items():
        setattr(canteen.formula, name, value)
    with pytest.raises(ValidationError):
        canteen.formula.full_clean()
