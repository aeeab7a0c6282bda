"""May one act on this day, now? The one answer that planning, recording and letters share."""

from datetime import date, timedelta

import pytest

from portal import town
from portal.reservations.days.standing import Closed, Open, Where, closed_period
from portal.reservations.deadlines.decisions import Standing
from portal.reservations.models import ActivityDeadline, DeadlineRule, Enrolment, Period
from portal.reservations.states import CellState
from tests.factories import ActivityDeadlineFactory, ClosureFactory, DeadlineRuleFactory, paris

MONDAY = date(2026, 11, 16)
TOMORROW = date(2026, 11, 10)


@pytest.fixture
def where(books, canteen, now):
    """The rules as the database has them, at `at`."""

    def load(at=now) -> Where:
        enrolment = Enrolment.objects.select_related("activity", "household").get(pk=books.enrolment.pk)
        return Where.load(enrolment, canteen.restaurant, Period.objects.get(pk=canteen.period.pk), at=at)

    return load


def test_on_time_until_a_moment(where, canteen):
    assert where().booking(canteen.formula.pk, MONDAY) == Open(Standing.ON_TIME, paris(2026, 11, 14, 10))
    found = where().cancelling(canteen.formula.pk, MONDAY, granted=True)
    assert found == Open(Standing.ON_TIME, paris(2026, 11, 14, 10))


def test_reserving_and_cancelling_have_their_own_rules(where, canteen):
    never = DeadlineRuleFactory(kind=DeadlineRule.Kind.NEVER, number=None, at=None)
    ActivityDeadline.objects.filter(action="cancel").update(rule=never)
    found = where().cancelling(canteen.formula.pk, MONDAY, granted=True)
    assert found == Closed(CellState.LATE, "Ce jour ne peut pas être annulé en ligne.", "impossible en ligne")
    assert isinstance(where().booking(canteen.formula.pk, MONDAY), Open)


def test_what_is_not_granted_is_withdrawn_until_the_day(where, canteen, now):
    for day in (TOMORROW, now.date()):
        found = where().cancelling(canteen.formula.pk, day, granted=False)
        assert found == Open(Standing.ON_TIME, None)
    yesterday = now.date() - timedelta(days=1)
    assert isinstance(where().cancelling(canteen.formula.pk, yesterday, granted=False), Closed)


def test_the_own_rule_of_a_formula_counts(where, canteen):
    weekly = DeadlineRuleFactory(kind=DeadlineRule.Kind.DAYS_BEFORE, number=7, at=None)
    ActivityDeadlineFactory(activity=canteen.activity, formula=canteen.formula, action="book", rule=weekly)
    found = where(paris(2026, 11, 10, 8)).booking(canteen.formula.pk, MONDAY)
    assert isinstance(found, Closed)
    assert found.state == CellState.LATE
    assert isinstance(where().booking(canteen.formula.pk, date(2026, 11, 18)), Open)


@pytest.mark.parametrize(
    ("late", "standing"), [("request", Standing.LATE_REQUEST), ("accept", Standing.LATE_ACCEPT)]
)
def test_late_stays_open_until_the_last_moment(where, canteen, late, standing):
    ActivityDeadline.objects.update(late=late)
    found = where().booking(canteen.formula.pk, TOMORROW)
    assert isinstance(found, Open)
    assert found.standing == standing
    assert isinstance(where().booking(canteen.formula.pk, date(2026, 11, 9)), Closed)


def test_the_period_bounds_everything(where, canteen):
    Period.objects.update(closes_at=paris(2026, 11, 8))
    found = where().booking(canteen.formula.pk, MONDAY)
    assert isinstance(found, Closed)
    assert found.reason == "Réservation close depuis le dimanche 8 novembre à 0 h."
    assert isinstance(where().cancelling(canteen.formula.pk, MONDAY, granted=True), Open)


def test_families_from_elsewhere_may_open_later(where, books, canteen):
    Period.objects.update(opens_at=paris(2026, 11, 1), opens_at_non_residents=paris(2026, 11, 12))
    assert isinstance(where().booking(canteen.formula.pk, MONDAY), Open)
    books.household.resident = False
    books.household.save()
    found = where().booking(canteen.formula.pk, MONDAY)
    assert (found.state, found.reason) == (
        CellState.EARLY,
        "Réservation ouverte à partir du jeudi 12 novembre.",
    )


@pytest.mark.parametrize("resident", [True, False])
@pytest.mark.parametrize(
    ("opens", "opens_elsewhere", "closes"),
    [
        (1, None, None),
        (10, None, None),
        (1, 10, None),
        (1, None, 8),
        (1, None, 30),
        (1, 20, 8),
        (None, 20, 8),
    ],
)
def test_a_period_says_of_itself_what_its_days_say(
    where, books, canteen, now, resident, opens, opens_elsewhere, closes
):
    moments = [day and paris(2026, 11, day) for day in (opens, opens_elsewhere, closes)]
    canteen.period.opens_at, canteen.period.opens_at_non_residents, canteen.period.closes_at = moments
    canteen.period.save()
    books.household.resident = resident
    books.household.save()
    found = where().booking(canteen.formula.pk, MONDAY)
    assert closed_period(canteen.period, now, resident=resident) == (
        found if isinstance(found, Closed) else None
    )


def test_a_past_day_is_past_even_where_it_was_closed(where, canteen):
    ClosureFactory(starts_on=date(2026, 11, 5), activity=canteen.activity)
    assert where().booking(canteen.formula.pk, date(2026, 11, 5)).reason == "Ce jour est passé."


@pytest.mark.parametrize("day", [date(2026, 11, 1), date(2026, 12, 19)])
def test_outside_the_period_nothing_is_booked(where, canteen, day):
    assert where().booking(canteen.formula.pk, day).short == "hors période"


def test_it_takes_two_queries(books, canteen, now, django_assert_num_queries):
    enrolment = Enrolment.objects.select_related("activity", "household").get(pk=books.enrolment.pk)
    town.current()  # kept by every process
    with django_assert_num_queries(2):
        found = Where.load(enrolment, canteen.restaurant, canteen.period, at=now)
        for offset in range(40):
            found.booking(canteen.formula.pk, now.date() + timedelta(days=offset))
