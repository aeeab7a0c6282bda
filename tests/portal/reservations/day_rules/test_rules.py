"""How many days one has to take: the pure rule, on the examples of towns and on days nobody thought of."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.reservations.day_rules import rules, wording
from portal.reservations.day_rules.rules import Bounds, Fault, Kind, Offer, Per, Rule, Span

PERIOD = Span(date(2026, 11, 2), date(2027, 2, 26))
BOUNDS = Bounds(PERIOD, Span(date(2026, 9, 1), date(2027, 7, 2)))
MONDAY = date(2026, 12, 14)
CANTEEN = (0, 1, 3, 4)  # Monday, Tuesday, Thursday, Friday


def calendar(*, holidays=(), shut=(), weekdays=CANTEEN):
    def offers(day):
        if day.weekday() not in weekdays or day not in PERIOD:
            return Offer.NONE
        if day in holidays:
            return Offer.HOLIDAY
        return Offer.SHUT if day in shut else Offer.OPEN

    return offers


def days(*numbers, of=MONDAY):
    """Days of a week, by weekday: 0 is its Monday."""
    return {of + timedelta(days=number) for number in numbers}


def judged(rule, after, before=(), *, offers=None, usual=()):
    offers = offers or calendar()
    changed = set(after) ^ set(before)
    found = []
    for span in rules.spans(rule, changed, BOUNDS):
        need = rules.need(rule, span, offers, BOUNDS)
        if why := rules.judge(need, before, after, lambda day: day.weekday() in usual):
            found.append(why)
    return found


def said(rule, after, before=(), **calendar_or_usual):
    return [wording.broken(one) for one in judged(rule, after, before, **calendar_or_usual)]


THREE = Rule(Kind.COUNT, least=3, least_with_holiday=2)


@pytest.mark.parametrize(
    ("taken", "sentences"),
    [
        ((0, 1, 3), []),
        ((0, 1, 3, 4), []),
        ((0, 1), ["Semaine du 14 décembre : 2 jours, il en faut 3."]),
        ((4,), ["Semaine du 14 décembre : 1 jour, il en faut 3."]),
    ],
)
def test_three_days_a_week(taken, sentences):
    assert said(THREE, days(*taken)) == sentences


def test_two_with_a_holiday():
    offers = calendar(holidays=days(1))
    assert said(THREE, days(0, 3), offers=offers) == []
    assert said(THREE, days(0), offers=offers) == ["Semaine du 14 décembre : 1 jour, il en faut 2."]


def test_without_a_word_of_holidays_it_is_three_as_long_as_there_are_three():
    rule = Rule(Kind.COUNT, least=3)
    assert said(rule, days(0, 3), offers=calendar(holidays=days(1)))
    assert said(rule, days(0, 3), offers=calendar(holidays=days(1, 4))) == [], "there are no more"


def test_a_day_that_the_town_closes_is_one_less_to_take():
    assert said(THREE, days(0, 3), days(0, 3, 4), offers=calendar(shut=days(1))) == []
    assert said(Rule(Kind.COUNT, least=3), days(0, 3), offers=calendar(shut=days(1))) == []
    assert said(THREE, days(3), offers=calendar(shut=days(0), holidays=days(1))) == []


def test_all_of_a_week_may_be_left_but_no_part_of_it():
    assert said(THREE, (), days(0, 1, 3)) == []
    left = "Gardez-les, ou annulez la semaine entière."
    assert said(THREE, days(0, 1), days(0, 1, 3)) == [
        f"Semaine du 14 décembre : il ne resterait que 2 jours, il en faut 3. {left}"
    ]


def test_a_day_may_be_taken_for_another():
    assert said(THREE, days(0, 1, 4), days(0, 1, 3)) == []


def test_what_stood_short_already_may_get_better_or_stay():
    assert said(THREE, days(0, 1), days(0)) == []
    assert said(THREE, days(1), days(0)) == []
    assert said(THREE, days(0), days(0, 1))


def test_two_or_three_free_wednesdays_a_month():
    rule = Rule(Kind.COUNT, per=Per.MONTH, least=2, most=3)
    december = [date(2026, 12, day) for day in (2, 9, 16, 23, 30)]
    offers = calendar(weekdays=(2,))
    assert said(rule, december[:2], offers=offers) == said(rule, december[:3], offers=offers) == []
    assert said(rule, december[:1], offers=offers) == ["Décembre 2026 : 1 jour, il en faut de 2 à 3."]
    assert said(rule, december[:4], offers=offers) == ["Décembre 2026 : 4 jours, il en faut de 2 à 3."]


def test_two_fixed_days_under_a_half_flat():
    """« demi-forfait pris 4 jours dans la semaine : refusé »."""
    rule = Rule(Kind.FIXED, per=Per.MONTH, most=2, formula=7, named="Demi-forfait")
    november = date(2026, 11, 2)
    assert said(rule, days(0, 3, of=november)) == []
    assert said(rule, days(0, 1, 3, 4, of=november)) == [
        "Demi-forfait, novembre 2026 : 2 jours fixes par semaine au plus, "
        "pas lundi, mardi, jeudi et vendredi."
    ]
    next_week = november + timedelta(days=7)
    mondays_and_thursdays = days(0, 3, of=november)
    assert said(rule, mondays_and_thursdays | days(0, of=next_week), mondays_and_thursdays) == []
    assert said(rule, mondays_and_thursdays | days(1, of=next_week), mondays_and_thursdays)
    weekly = Rule(Kind.FIXED, per=Per.WEEK, most=2)
    assert said(weekly, mondays_and_thursdays | days(1, 4, of=next_week), mondays_and_thursdays) == []


def test_whole_weeks():
    rule = Rule(Kind.WHOLE)
    assert said(rule, days(0, 1, 3, 4)) == []
    assert said(rule, days(0, 1, 3)) == [
        "Semaine du 14 décembre : tous les jours ouverts se prennent ensemble. "
        "Il manque : vendredi 18 décembre."
    ]
    assert said(rule, days(0, 1, 3), offers=calendar(holidays=days(4))) == []
    assert said(rule, days(0, 1), days(0, 1, 3, 4)) == [
        "Semaine du 14 décembre : tous les jours ouverts se prennent ensemble. "
        "Gardez-les, ou annulez la semaine entière."
    ]


def test_a_whole_session():
    rule = Rule(Kind.WHOLE, per=Per.PERIOD)
    offers = calendar()
    everything = {day for day in PERIOD.days if offers(day) is Offer.OPEN}
    assert judged(rule, everything) == []
    (broken,) = judged(rule, everything - {MONDAY})
    assert (broken.fault, broken.days) == (Fault.PARTLY, (MONDAY,))
    assert judged(rule, (), everything) == []


def test_no_addition_to_fixed_days():
    rule = Rule(Kind.USUAL)
    assert said(rule, days(0, 3), usual=(0, 3)) == []
    assert said(rule, days(0, 1), usual=(0, 3)) == [
        "Semaine du 14 décembre : seuls les jours habituels de l'inscription se réservent, "
        "pas mardi 15 décembre."
    ]
    assert said(rule, days(1), days(0, 1), usual=(0,)) == [], "to leave is always possible"


def test_a_year_counts_across_its_periods():
    rule = Rule(Kind.COUNT, per=Per.YEAR, most=3)
    before = {date(2026, 9, 7), date(2026, 9, 8), MONDAY}
    assert judged(rule, before | days(1), before)
    assert judged(rule, before, before - {MONDAY}) == []


def test_a_rule_has_dates():
    since = Rule(Kind.COUNT, least=3, first=MONDAY + timedelta(days=7))
    assert judged(since, days(0)) == []
    assert judged(since, days(0, of=MONDAY + timedelta(days=7)))
    middle = Rule(Kind.COUNT, least=3, first=MONDAY + timedelta(days=3))
    assert judged(middle, days(3, 4)) == [], "of a week that it cuts, its days alone"


def test_a_week_cut_by_the_period_asks_for_its_days_only():
    assert said(THREE, {date(2027, 2, 22)}) == ["Semaine du 22 février : 1 jour, il en faut 3."]
    short = Bounds(Span(date(2026, 12, 17), PERIOD.last), BOUNDS.year)
    span = rules.span_of(THREE, date(2026, 12, 17), short)
    assert span == Span(date(2026, 12, 17), date(2026, 12, 20))
    assert rules.need(THREE, span, calendar(), short).least == 2


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (THREE, "Au moins 3 jours par semaine, 2 quand un jour est férié."),
        (Rule(Kind.COUNT, least=2, most=3, per=Per.MONTH), "Entre 2 et 3 jours par mois."),
        (Rule(Kind.COUNT, least=2, most=2), "2 jours par semaine."),
        (Rule(Kind.COUNT, most=1, per=Per.YEAR), "Au plus 1 jour par an."),
        (Rule(Kind.WHOLE, per=Per.YEAR), "Année entière : tous les jours ouverts, ou aucun."),
        (
            Rule(Kind.FIXED, most=2, per=Per.MONTH, named="Demi-forfait"),
            "Demi-forfait : 2 jours fixes par semaine, les mêmes tout le mois.",
        ),
        (
            Rule(Kind.USUAL, first=date(2027, 1, 4)),
            "Seulement les jours habituels de l'inscription : aucun autre ne s'ajoute, "
            "à partir du 4 janvier 2027.",
        ),
    ],
)
def test_each_is_said_in_words(rule, words):
    assert wording.sentence(rule) == words


@pytest.mark.parametrize(
    ("one", "other", "clash"),
    [
        (Rule(Kind.COUNT, least=3), Rule(Kind.COUNT, most=2), True),
        (Rule(Kind.COUNT, least=3), Rule(Kind.COUNT, most=3), False),
        (Rule(Kind.COUNT, least=3), Rule(Kind.COUNT, most=2, per=Per.MONTH), True),
        (Rule(Kind.COUNT, least=3, per=Per.MONTH), Rule(Kind.COUNT, most=1), False),
        (Rule(Kind.WHOLE), Rule(Kind.COUNT, most=3), True),
        (Rule(Kind.WHOLE), Rule(Kind.COUNT, most=4), False),
        (Rule(Kind.WHOLE), Rule(Kind.FIXED, most=2, per=Per.YEAR), True),
        (Rule(Kind.COUNT, least=3), Rule(Kind.FIXED, most=2, per=Per.YEAR), True),
        (Rule(Kind.COUNT, least=3, formula=1), Rule(Kind.COUNT, most=2, formula=2), False),
        (Rule(Kind.COUNT, least=3, last=MONDAY), Rule(Kind.COUNT, most=2, first=MONDAY), True),
        (
            Rule(Kind.COUNT, least=3, last=MONDAY),
            Rule(Kind.COUNT, most=2, first=MONDAY + timedelta(days=1)),
            False,
        ),
    ],
)
def test_what_contradicts_is_known(one, other, clash):
    assert rules.contradiction(one, other, 4) is rules.contradiction(other, one, 4) is clash


A_WEEK = st.sets(st.sampled_from(sorted(days(*CANTEEN))))
COUNTS = st.builds(
    Rule,
    kind=st.just(Kind.COUNT),
    least=st.none() | st.integers(1, 5),
    most=st.none() | st.integers(1, 5),
    least_with_holiday=st.none() | st.integers(0, 5),
)
ANY = (
    COUNTS
    | st.builds(Rule, kind=st.sampled_from([Kind.WHOLE, Kind.USUAL]), per=st.sampled_from(list(Per)))
    | st.builds(Rule, kind=st.just(Kind.FIXED), most=st.integers(1, 5), per=st.sampled_from(list(Per)))
)


@given(rule=ANY, before=A_WEEK, after=A_WEEK, holidays=A_WEEK, shut=A_WEEK)
def test_leaving_all_and_changing_nothing_are_never_refused(rule, before, after, holidays, shut):
    offers = calendar(holidays=holidays, shut=shut)
    assert judged(rule, (), before, offers=offers) == []
    assert judged(rule, before, before, offers=offers) == []
    for one in judged(rule, after, before, offers=offers):
        assert wording.broken(one).endswith("."), "each has its sentence"


@given(rule=COUNTS, taken=A_WEEK, closes=st.sampled_from(sorted(days(*CANTEEN))), holidays=A_WEEK)
def test_a_day_that_the_town_closes_makes_nobody_short(rule, taken, closes, holidays):
    """Who could take these days before could take what is left of them afterwards."""
    before = calendar(holidays=holidays - {closes})
    taken -= holidays
    if judged(rule, taken, offers=before) == []:
        closed = calendar(holidays=holidays - {closes}, shut={closes})
        assert judged(rule, taken - {closes}, offers=closed) == []


@given(rule=ANY, before=A_WEEK, after=A_WEEK)
def test_to_leave_days_breaks_no_maximum(rule, before, after):
    faults = {one.fault for one in judged(rule, after & before, before)}
    assert not faults & {Fault.OVER, Fault.UNFIXED, Fault.UNUSUAL}
