"""Absences: what a certificate, a strike or nothing at all costs."""

from datetime import date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from billing.absences import AbsenceRule, Reason, billed_days, episodes

MONDAY, TUESDAY, THURSDAY, FRIDAY = (date(2026, 11, day) for day in (9, 10, 12, 13))
WEEK = [MONDAY, TUESDAY, THURSDAY, FRIDAY]
GRADED = AbsenceRule(within_hours=72, late_waiting_days=2, max_days=10)


def test_without_certificate_every_day_is_billed():
    assert billed_days(GRADED, WEEK, None) == WEEK


def test_a_certificate_in_time_frees_every_day_but_those_of_the_waiting_time():
    in_time = datetime(2026, 11, 11, 9)
    assert billed_days(GRADED, WEEK, in_time) == []
    assert billed_days(AbsenceRule(within_hours=72, waiting_days=1), WEEK, in_time) == [MONDAY]


def test_a_late_certificate_bills_the_first_days_or_all_of_them():
    late = datetime(2026, 11, 13, 9)
    assert billed_days(GRADED, WEEK, late) == [MONDAY, TUESDAY]
    assert billed_days(AbsenceRule(within_hours=48), WEEK, late) == WEEK
    assert billed_days(GRADED, WEEK, datetime(2026, 11, 20, 9)) == WEEK


def test_hours_count_from_the_end_of_the_first_day():
    rule = AbsenceRule(within_hours=48)
    assert billed_days(rule, [MONDAY], datetime(2026, 11, 12, 0, 0)) == []
    assert billed_days(rule, [MONDAY], datetime(2026, 11, 12, 0, 1)) == [MONDAY]


def test_a_strike_is_free_without_certificate_and_a_family_reason_is_not():
    assert billed_days(GRADED, WEEK, None, Reason.STRIKE) == []
    assert billed_days(GRADED, WEEK, None, Reason.FAMILY) == WEEK


def test_a_town_may_refuse_certificates():
    rule = AbsenceRule(certificates_count=False)
    assert billed_days(rule, WEEK, datetime(2026, 11, 9, 8)) == WEEK


def test_a_day_at_the_canteen_ends_an_absence():
    assert episodes([MONDAY, FRIDAY], WEEK) == [[MONDAY], [FRIDAY]]
    assert episodes([MONDAY, TUESDAY], WEEK) == [[MONDAY, TUESDAY]]
    assert episodes([], WEEK) == []


days = st.lists(st.dates(date(2026, 9, 1), date(2026, 12, 31)), max_size=12)


@given(days, days)
def test_every_missed_day_is_in_exactly_one_absence(absent, booked):
    found = [day for one in episodes(absent, booked) for day in one]
    assert found == sorted(set(absent))


@given(days, st.datetimes(datetime(2026, 9, 1), datetime(2027, 1, 31)) | st.none(), st.integers(0, 200))
def test_a_later_certificate_never_costs_less(absent, given_at, hours):
    rule = AbsenceRule(within_hours=hours, late_waiting_days=2, max_days=10)
    billed = billed_days(rule, absent, given_at)
    assert set(billed) <= set(absent)
    if given_at is not None:
        assert len(billed) <= len(billed_days(rule, absent, given_at + timedelta(days=1)))
