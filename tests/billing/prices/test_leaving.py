"""A child's packed meals under a PAI go with it to its other home."""

from datetime import date, timedelta

from billing.models import PackedMeal
from families.custody import ending
from families.custody.ending import Ending, Future
from families.models import Custody
from tests.conftest import NOW, Family, family
from tests.factories import EnrolmentFactory

TODAY = NOW.date()


def leaves(books: Family, agent, future: Future, taker=None) -> None:
    custody = Custody.objects.get(child=books.child, household=books.household)
    ending.end(custody, Ending(TODAY, future, taker, "Jugement"), by=agent, at=NOW)


def other_home(books: Family) -> Family:
    home = family("leroy", "Leroy", "Basile")
    Custody.objects.create(child=books.child, household=home.household)
    return home


def test_packed_meals_go_to_the_home_that_takes_over(books: Family, agent):
    PackedMeal.objects.create(enrolment=books.enrolment, valid_from=date(2026, 9, 1))
    PackedMeal.objects.create(
        enrolment=books.enrolment, valid_from=date(2026, 9, 1), valid_to=date(2026, 10, 1)
    )
    home = other_home(books)
    leaves(books, agent, Future.HAND_OVER, home.household)
    taken = PackedMeal.objects.get(enrolment__household=home.household)
    assert (taken.valid_from, taken.valid_to) == (TODAY + timedelta(days=1), None)
    assert taken.enrolment.child == books.child


def test_a_home_with_its_own_keeps_them(books: Family, canteen, year, agent):
    home = other_home(books)
    own = EnrolmentFactory(
        household=home.household, child=books.child, activity=canteen.activity, school_year=year
    )
    PackedMeal.objects.create(enrolment=own, valid_from=date(2026, 11, 2))
    PackedMeal.objects.create(enrolment=books.enrolment, valid_from=date(2026, 9, 1))
    leaves(books, agent, Future.HAND_OVER, home.household)
    assert [one.valid_from for one in own.packed_meals.all()] == [date(2026, 11, 2)]


def test_none_goes_where_the_days_are_cancelled(books: Family, agent):
    PackedMeal.objects.create(enrolment=books.enrolment, valid_from=date(2026, 9, 1))
    other_home(books)
    leaves(books, agent, Future.CANCEL)
    assert PackedMeal.objects.get().enrolment == books.enrolment
