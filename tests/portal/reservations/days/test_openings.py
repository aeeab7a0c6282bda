"""What opens soon, as the gate of the waiting room is told."""

from datetime import timedelta

from django.db import connection
from django.test.utils import CaptureQueriesContext

from portal.reservations.days import openings
from portal.waiting import moments
from portal.waiting.moments import Moment
from tests.conftest import NOW
from tests.factories import ActivityFactory, PeriodFactory

SOON, LATER = NOW + timedelta(minutes=3), NOW + timedelta(hours=5)
SPAN = (NOW, NOW + timedelta(days=1))


def test_a_period_opens_for_its_town_and_later_for_others_and_its_planning_waits_for_the_first(
    db: None,
) -> None:
    activity = ActivityFactory(name="Cantine")
    period = PeriodFactory(
        activity=activity, name="Hiver", opens_at=SOON, opens_at_non_residents=LATER, closes_at=None
    )
    PeriodFactory(activity=activity, opens_at=NOW - timedelta(days=2), closes_at=None)
    PeriodFactory(activity=activity, opens_at=None, closes_at=None)
    name = "Cantine – Hiver"
    assert sorted(openings.find(*SPAN), key=lambda one: one.at) == [
        Moment(SOON, period.pk, name),
        Moment(LATER, None, name),
    ]


def test_of_a_period_that_always_was_open_to_the_town_no_planning_waits(db: None) -> None:
    PeriodFactory(opens_at=None, opens_at_non_residents=LATER, closes_at=None)
    assert [(one.at, one.period) for one in openings.find(*SPAN)] == [(LATER, None)]


def test_they_are_found_in_three_queries_however_many_there_are(db: None) -> None:
    counts = []
    for number in (1, 10):
        for _ in range(number):
            PeriodFactory(opens_at=SOON, closes_at=None)
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert list(openings.find(*SPAN))
        counts.append(len(queries))
    assert counts == [3, 3]


def test_what_is_written_beside_the_line_is_read_again(db: None) -> None:
    period = PeriodFactory(name="<Hiver>", opens_at=SOON, closes_at=None)
    known = moments.read(moments.write(NOW))
    opening = known.opening(period.pk, NOW.timestamp())
    assert opening is not None
    assert (opening.at, opening.hour) == (SOON.timestamp(), "10\u00a0h\u00a003")
    assert "&lt;Hiver&gt;" in opening.name
    assert known.opening(period.pk, SOON.timestamp()) is None
    assert known.expected(NOW.timestamp())


def test_what_is_not_whole_expects_nothing() -> None:
    for text in ("", "{", "[]", '{"rushes": "x"}', '{"periods": [[1]]}'):
        assert not moments.read(text).expected(NOW.timestamp())
