"""What an activity does without a paper, day by day: pure."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as some

from portal.reservations.days import paper_rules
from portal.reservations.models import ActivityPaper

Without, Counts = ActivityPaper.Without, ActivityPaper.Counts
DAYS = some.dates(date(2026, 1, 1), date(2027, 12, 31))


@given(days=some.frozensets(DAYS), ends=some.lists(some.none() | DAYS))
def test_a_day_is_covered_when_one_of_the_papers_lasts_until_it(days, ends):
    left = paper_rules.uncovered(days, ends)
    assert left == {day for day in days if not any(end is None or day <= end for end in ends)}


@given(end=DAYS)
def test_its_last_day_is_still_a_good_one(end):
    assert paper_rules.uncovered([end], [end]) == frozenset()
    assert paper_rules.uncovered([end + timedelta(days=1)], [end]) == {end + timedelta(days=1)}


@pytest.mark.parametrize(
    ("without", "enrolment", "day"),
    [
        (Without.ASKED, False, False),
        (Without.WARNS, False, True),
        (Without.ENROLMENT, True, False),
        (Without.PLACE, False, True),
        (Without.BOTH, True, True),
    ],
)
def test_each_kind_looks_at_what_it_says(without, enrolment, day):
    assert paper_rules.wants(without, books=False) is enrolment
    assert paper_rules.wants(without, books=True) is day


@pytest.mark.parametrize(
    ("counts", "enrolment", "day"),
    [(Counts.USUAL, True, False), (Counts.SENT, True, True), (Counts.ACCEPTED, False, False)],
)
def test_when_a_paper_that_waits_for_the_town_hall_counts(counts, enrolment, day):
    assert paper_rules.counts_sent(counts, books=False) is enrolment
    assert paper_rules.counts_sent(counts, books=True) is day
