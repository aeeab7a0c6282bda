"""What is closed where a child goes."""

from datetime import date, timedelta

from portal.reservations.days import closures
from portal.reservations.days.closures import Attended
from portal.reservations.models import Closure
from tests.factories import ActivityFactory

MONDAY = date(2026, 11, 16)
A_DAY = timedelta(days=1)


def found(*attended: Attended) -> list[tuple[str, date, date]]:
    rows = closures.at_places(attended, MONDAY, MONDAY + 30 * A_DAY)
    return [(one.closure.reason, one.first, one.last) for one in rows]


def test_an_opening_for_one_activity_leaves_the_other_closed(canteen):
    other = ActivityFactory(code="goûter", establishments=[canteen.restaurant])
    place = canteen.restaurant.pk
    Closure.objects.create(starts_on=MONDAY, ends_on=MONDAY + A_DAY, establishment=canteen.restaurant)
    Closure.objects.create(starts_on=MONDAY, ends_on=MONDAY, activity=canteen.activity, opens=True)
    eats, snacks = Attended(canteen.activity.pk, place, None), Attended(other.pk, place, None)
    assert found(eats) == [("Fermeture", MONDAY + A_DAY, MONDAY + A_DAY)]
    assert found(eats, snacks) == [("Fermeture", MONDAY, MONDAY + A_DAY)]


def test_days_beyond_what_is_asked_are_left_out(canteen):
    Closure.objects.create(starts_on=MONDAY - 9 * A_DAY, ends_on=MONDAY + A_DAY, label="Travaux")
    eats = Attended(canteen.activity.pk, canteen.restaurant.pk, None)
    assert found(eats) == [("Travaux", MONDAY, MONDAY + A_DAY)]


def test_who_goes_nowhere_asks_nothing(db, django_assert_num_queries):
    with django_assert_num_queries(0):
        assert found() == []
