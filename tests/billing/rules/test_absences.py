"""Absences: what a certificate, a strike or nothing at all costs."""

from datetime import date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.rules.absences import AbsenceRule, Missed, Reason, billed, billed_days, episodes, in_words

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


def certified(*days, at=datetime(2026, 11, 9, 8)):
    return [Missed(day, Reason.ILLNESS, at) for day in days]


def test_a_certificate_frees_the_days_it_covers_and_no_others():
    missed = [*certified(MONDAY, TUESDAY), Missed(THURSDAY), Missed(FRIDAY)]
    assert billed(GRADED, missed, WEEK) == {Missed(THURSDAY), Missed(FRIDAY)}


def test_a_strike_in_the_middle_of_an_illness_costs_no_second_waiting_time():
    rule = AbsenceRule(waiting_days=1)
    missed = [*certified(MONDAY, THURSDAY, FRIDAY), Missed(TUESDAY, Reason.STRIKE)]
    assert {one.day for one in billed(rule, missed, WEEK)} == {MONDAY}


def test_a_certificate_that_prolongs_another_waits_no_more_but_must_be_in_time_itself():
    rule = AbsenceRule(within_hours=48, waiting_days=1)
    first = certified(MONDAY, TUESDAY)
    in_time = certified(THURSDAY, FRIDAY, at=datetime(2026, 11, 13, 9))
    assert {one.day for one in billed(rule, first + in_time, WEEK)} == {MONDAY}
    late = certified(THURSDAY, FRIDAY, at=datetime(2026, 12, 1, 9))
    assert {one.day for one in billed(rule, first + late, WEEK)} == {MONDAY, THURSDAY, FRIDAY}


def test_two_illnesses_wait_twice():
    rule = AbsenceRule(waiting_days=1)
    assert {one.day for one in billed(rule, certified(MONDAY, FRIDAY), WEEK)} == {MONDAY, FRIDAY}


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (
            AbsenceRule(within_hours=48, waiting_days=2),
            "Certificat à donner sous 48 h après le premier jour d'absence ; les 2 premiers jours restent"
            " facturés. Donné plus tard, il ne compte pas : tous les jours restent facturés.",
        ),
        (
            AbsenceRule(within_hours=120, late_waiting_days=1, max_days=10),
            "Certificat à donner dans les 5 jours après le premier jour d'absence ; aucun jour n'est alors"
            " facturé. Donné plus tard : le premier jour reste facturé. Plus de 10 jours après le premier"
            " jour d'absence, il n'est plus accepté.",
        ),
        (
            AbsenceRule(within_hours=0),
            "Certificat à donner avant la fin du premier jour d'absence ; aucun jour n'est alors facturé."
            " Donné plus tard, il ne compte pas : tous les jours restent facturés.",
        ),
        (AbsenceRule(), "Certificat à donner à la mairie, sans délai ; aucun jour n'est alors facturé."),
        (
            AbsenceRule(certificates_count=False),
            "Un certificat médical n'évite pas la facturation : les jours d'absence restent facturés.",
        ),
    ],
)
def test_the_rule_is_said_to_families(rule, said):
    *words, free = in_words(rule)
    assert " ".join(words) == said
    assert free == "Jamais facturés, même sans certificat : grève, enseignant absent, sortie scolaire."


def test_what_no_reason_frees_is_not_said():
    assert len(in_words(AbsenceRule(free_reasons=frozenset()))) == 1


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


moments = st.datetimes(datetime(2026, 9, 1), datetime(2027, 1, 31))
missed_days = st.dictionaries(
    st.dates(date(2026, 9, 1), date(2026, 12, 31)),
    st.tuples(st.sampled_from(Reason), st.sampled_from([None, *(datetime(2026, 10, n) for n in (1, 9, 20))])),
    max_size=12,
)


@given(missed_days, days, st.integers(0, 200), st.integers(0, 3))
def test_absences_are_billed_within_their_bounds(said, booked, hours, waiting):
    rule = AbsenceRule(within_hours=hours, waiting_days=waiting, late_waiting_days=waiting + 2, max_days=30)
    missed = [Missed(day, *why) for day, why in said.items()]
    due = billed(rule, missed, booked)
    for one in missed:
        if one.reason in rule.free_reasons:
            assert one not in due
        elif one.certificate is None:
            assert one in due
    assert due <= set(billed(AbsenceRule(certificates_count=False), missed, booked))


@given(st.lists(st.dates(date(2026, 9, 1), date(2026, 12, 31)), min_size=1, max_size=12), moments)
def test_one_certificate_for_one_absence_is_judged_as_ever(absent, at):
    due = billed(GRADED, certified(*absent, at=at), [])
    assert sorted(one.day for one in due) == billed_days(GRADED, absent, at)
