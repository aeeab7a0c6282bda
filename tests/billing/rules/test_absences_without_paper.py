"""Absences told without any paper: the first days, an hour, days and weeks a year."""

from datetime import date, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.rules.absences import (
    AbsenceRule,
    Missed,
    Paperless,
    Reason,
    ToldLate,
    billed,
    billed_days,
    in_words,
    year_start,
)

MONDAY, TUESDAY, WEDNESDAY, THURSDAY, FRIDAY = (date(2026, 11, 30) + timedelta(days=n) for n in range(5))
CANTEEN = [MONDAY, TUESDAY, THURSDAY]  # ill from Monday to Thursday, in a week without Wednesday
WEEK = [*CANTEEN, FRIDAY]
TOLD = AbsenceRule(paperless=Paperless.TOLD, told_before=time(10))
EVENING_BEFORE = AbsenceRule(paperless=Paperless.TOLD, told_before=time(18), told_days_before=1)
FIRST_TWO = AbsenceRule(paperless=Paperless.KNOWN, free_first_days=2)


def ill(*days: date, told: datetime | None = None) -> list[Missed]:
    return [Missed(day, Reason.ILLNESS, None, told) for day in days]


def due(rule: AbsenceRule, missed: list[Missed], booked: list[date] = WEEK) -> list[date]:
    return sorted(one.day for one in billed(rule, missed, booked))


@pytest.mark.parametrize(
    ("told", "days"),
    [
        (datetime(2026, 11, 30, 9, 59), 0),
        (datetime(2026, 11, 29, 20), 0),
        (datetime(2026, 11, 30, 10), 3),
        (datetime(2026, 11, 30, 11), 3),
        (None, 3),
    ],
)
def test_told_before_ten_of_the_first_day_it_is_free_and_later_wholly_billed(told, days):
    assert len(billed_days(TOLD, CANTEEN, None, Reason.ILLNESS, told)) == days


def test_a_milder_town_bills_only_the_days_whose_hour_had_passed():
    milder = AbsenceRule(paperless=Paperless.TOLD, told_before=time(10), told_late=ToldLate.FOLLOWING)
    assert billed_days(milder, CANTEEN, None, Reason.ILLNESS, datetime(2026, 11, 30, 11)) == [MONDAY]
    evening = AbsenceRule(
        paperless=Paperless.TOLD, told_before=time(18), told_days_before=1, told_late=ToldLate.FOLLOWING
    )
    assert billed_days(evening, CANTEEN, None, Reason.ILLNESS, datetime(2026, 11, 30, 19)) == [
        MONDAY,
        TUESDAY,
    ]


def test_the_evening_before_counts_from_the_first_day():
    assert billed_days(EVENING_BEFORE, CANTEEN, None, Reason.ILLNESS, datetime(2026, 11, 29, 17, 59)) == []
    assert billed_days(EVENING_BEFORE, CANTEEN, None, Reason.ILLNESS, datetime(2026, 11, 30, 8)) == CANTEEN


@pytest.mark.parametrize(("days", "billed"), [(WEEK[:1], 0), (WEEK[:2], 0), (WEEK[:3], 1), (WEEK, 2)])
def test_the_first_two_days_of_an_illness_are_free_and_the_others_billed(days, billed):
    assert len(billed_days(FIRST_TWO, days, None, Reason.ILLNESS)) == billed
    assert billed_days(FIRST_TWO, days, None) == days  # nobody said anything


def test_each_illness_has_its_own_first_days():
    assert due(FIRST_TWO, ill(MONDAY, TUESDAY, FRIDAY)) == []
    assert due(FIRST_TWO, ill(MONDAY, TUESDAY, FRIDAY), [MONDAY, TUESDAY, FRIDAY]) == [FRIDAY]


def test_what_was_told_of_the_first_day_holds_for_the_same_illness():
    missed = [*ill(MONDAY, told=datetime(2026, 11, 30, 9)), *ill(TUESDAY), Missed(THURSDAY)]
    # Nobody said why she missed Thursday.
    assert due(TOLD, missed) == [THURSDAY]


def test_a_day_told_in_time_does_not_save_a_first_day_that_nobody_told():
    missed = [Missed(MONDAY), *ill(TUESDAY, told=datetime(2026, 12, 1, 8))]
    assert due(TOLD, missed) == [MONDAY, TUESDAY]


def test_a_certificate_never_makes_it_worse():
    rule = AbsenceRule(waiting_days=1, paperless=Paperless.KNOWN, free_first_days=2)
    certified = [Missed(day, Reason.ILLNESS, datetime(2026, 11, 30, 9)) for day in WEEK]
    assert due(rule, certified) == []


def test_a_family_reason_is_no_illness():
    told = datetime(2026, 11, 29)
    assert billed_days(TOLD, CANTEEN, None, Reason.FAMILY, told) == CANTEEN


def test_days_a_year_free_the_first_ones_that_are_known():
    rule = AbsenceRule(free_days_a_year=2)
    missed = [Missed(MONDAY), *ill(TUESDAY, THURSDAY, FRIDAY)]
    assert due(rule, missed) == [MONDAY, FRIDAY]
    september = date(2027, 9, 2)
    assert due(rule, [*missed, *ill(september)], [*WEEK, september]) == [MONDAY, FRIDAY]


def test_a_year_begins_where_the_town_says():
    rule = AbsenceRule(free_days_a_year=1, year_starts=(date(2026, 2, 1), date(2027, 2, 1)))
    january, february = date(2027, 1, 29), date(2027, 2, 1)
    assert due(rule, ill(MONDAY, january, february), [MONDAY, january, february]) == [january]
    assert year_start((), date(2026, 8, 31)) == date(2025, 9, 1)
    assert year_start((), date(2026, 9, 1)) == date(2026, 9, 1)


def test_weeks_a_year_are_those_of_which_every_booked_day_was_missed():
    rule = AbsenceRule(free_weeks_a_year=1)
    next_week = [day + timedelta(days=7) for day in WEEK]
    assert due(rule, ill(*WEEK, *next_week), [*WEEK, *next_week]) == next_week
    assert due(rule, ill(*WEEK[:3]), WEEK) == WEEK[:3]


DAYS = st.sets(st.sampled_from([MONDAY + timedelta(days=n) for n in range(40)]), max_size=12)
MOMENTS = st.none() | st.datetimes(datetime(2026, 11, 25), datetime(2027, 1, 10))
RULES = st.builds(
    AbsenceRule,
    within_hours=st.none() | st.integers(0, 96),
    waiting_days=st.integers(0, 3),
    paperless=st.sampled_from(Paperless),
    told_before=st.just(time(10)),
    told_days_before=st.integers(0, 2),
    told_late=st.sampled_from(ToldLate),
    free_first_days=st.none() | st.integers(1, 3),
    free_days_a_year=st.integers(0, 3),
    free_weeks_a_year=st.integers(0, 2),
)


@given(RULES, DAYS, DAYS, st.sampled_from(Reason), MOMENTS, MOMENTS)
def test_telling_and_proving_only_ever_free_days(rule, missed, booked, reason, certificate, told):
    days = sorted(missed)
    without = [Missed(day, reason) for day in days]
    with_both = [Missed(day, reason, certificate, told) for day in days]
    booked = booked | missed
    assert {one.day for one in billed(rule, with_both, booked)} <= {
        one.day for one in billed(rule, without, booked)
    } | ({one.day for one in with_both} if rule.a_year else set())


@given(RULES, DAYS, MOMENTS)
def test_told_earlier_is_never_dearer(rule, missed, told):
    if told is None:
        return
    later = told + timedelta(hours=5)
    early = billed_days(rule, sorted(missed), None, Reason.ILLNESS, told)
    assert len(early) <= len(billed_days(rule, sorted(missed), None, Reason.ILLNESS, later))


def test_the_rule_in_words():
    assert in_words(TOLD)[:2] == [
        "Maladie annoncée avant 10\xa0h le premier jour d'absence, même sans certificat : non facturée.",
        "Annoncée plus tard ou pas du tout : tous les jours restent facturés.",
    ]
    assert in_words(FIRST_TWO)[0] == (
        "Maladie signalée, même sans certificat : les 2 premiers jours ne sont pas facturés,"
        " les suivants le sont."
    )
    assert "la veille du premier jour" in in_words(EVENING_BEFORE)[0]
    yearly = in_words(AbsenceRule(free_days_a_year=5, free_weeks_a_year=1))
    assert yearly[-2:] == [
        "Chaque année scolaire, 5 jours d'absence signalée qui resteraient facturés ne le sont pas.",
        "Chaque année scolaire, 1 semaine entière d'absence signalée n'est pas facturée.",
    ]
