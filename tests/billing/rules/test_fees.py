"""A fee a year, as published: 15 € a family; 17 € a child, 10 € from the third; 21 €, 33 € outside."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.rules import fees
from billing.rules.fees import Asked, Per, Span, Step

YEAR = (date(2026, 9, 1), date(2027, 7, 2))
NEXT = (date(2027, 9, 1), date(2028, 7, 4))
ALWAYS = date(2030, 1, 1)
DAY = date(2026, 9, 1)
days = st.dates(date(2026, 9, 1), date(2028, 7, 4))


def asked(first, last=YEAR[1], year=YEAR, name="2026-2027"):
    return Asked(first, last, year, name)


def amount(steps, per=Per.CHILD, *, day=DAY, rank=1, resident=True):
    found = fees.worth(steps, per, day=day, rank=rank, resident=resident)
    return None if found is None else found.amount


def test_fifteen_euros_a_family():
    found = fees.worth([Step(Decimal(15))], Per.HOUSEHOLD, day=DAY, rank=1, resident=False)
    assert found is not None
    assert (found.amount, found.steps) == (Decimal(15), ("Une fois par famille et par an",))


@pytest.mark.parametrize(("rank", "price"), [(1, 17), (2, 17), (3, 10), (4, 10)])
def test_ten_euros_from_the_third_child(rank, price):
    assert amount([Step(Decimal(17)), Step(Decimal(10), from_child=3)], rank=rank) == price


def test_who_lives_elsewhere_pays_thirty_three():
    steps = [Step(Decimal(21), outside=Decimal(33))]
    found = fees.worth(steps, Per.HOUSEHOLD, day=DAY, rank=1, resident=False)
    assert amount(steps, Per.HOUSEHOLD) == 21
    assert found is not None
    assert (found.amount, found.steps[-1]) == (Decimal(33), "Hors commune le 1er septembre 2026 : 33,00\xa0€")


def test_a_price_of_a_later_day_leaves_those_before_alone():
    steps = [Step(Decimal(15)), Step(Decimal(16), since=date(2027, 9, 1))]
    assert [amount(steps, day=day) for day in (DAY, date(2027, 8, 31), date(2027, 9, 1))] == [15, 15, 16]
    assert amount(steps[1:]) is None


def test_a_year_is_asked_for_once_however_many_enrol():
    found = fees.spans(Span.SCHOOL_YEAR, [asked(date(2026, 11, 2)), asked(DAY), asked(DAY)], (), ALWAYS)
    assert found == [fees.Due(*YEAR, DAY, "2026-2027")]


def test_the_next_year_is_another_one():
    both = [asked(DAY), asked(NEXT[0], NEXT[1], NEXT, "2027-2028")]
    found = fees.spans(Span.SCHOOL_YEAR, both, (), ALWAYS)
    assert [one.name for one in found] == ["2026-2027", "2027-2028"]


def test_twelve_months_run_from_the_day_and_on_into_the_next_year():
    both = [asked(date(2026, 11, 3)), asked(NEXT[0], NEXT[1], NEXT)]
    found = fees.spans(Span.TWELVE_MONTHS, both, (), ALWAYS)
    assert [(one.starts_on, one.ends_on) for one in found] == [
        (date(2026, 11, 3), date(2027, 11, 2)),
        (date(2027, 11, 3), date(2028, 11, 2)),
    ]
    assert found[0].name == "du 3 novembre 2026 au 2 novembre 2027"


def test_twelve_months_from_the_29th_of_february():
    leap = asked(date(2028, 2, 29), NEXT[1], NEXT)
    (found,) = fees.spans(Span.TWELVE_MONTHS, [leap], (), ALWAYS)
    assert found.ends_on == date(2029, 2, 28)


def test_what_ended_before_it_began_asks_for_nothing():
    never = asked(date(2026, 11, 2), date(2026, 11, 1))
    assert fees.spans(Span.SCHOOL_YEAR, [never], (), ALWAYS) == []
    assert not fees.still_asked(Span.SCHOOL_YEAR, YEAR, [never])
    assert fees.still_asked(Span.SCHOOL_YEAR, YEAR, [never, asked(DAY)])


def test_what_begins_later_is_not_due_yet():
    assert fees.spans(Span.SCHOOL_YEAR, [asked(date(2026, 11, 2))], (), date(2026, 10, 31)) == []


@given(st.lists(st.tuples(days, days)), st.sampled_from(Span), days)
def test_no_day_is_ever_paid_for_twice_and_none_is_left_out(spans, kind, until):
    wanted = [
        asked(first, last, YEAR if first < date(2027, 9, 1) else NEXT)
        for first, last in spans
        if first <= last
    ]
    found = fees.spans(kind, wanted, (), until)
    for one in found:
        assert sum(one.starts_on <= other.ends_on and other.starts_on <= one.ends_on for other in found) == 1
    # Asked again, with what it found paid for, it finds nothing more.
    assert fees.spans(kind, wanted, [(one.starts_on, one.ends_on) for one in found], until) == []
    if kind is Span.TWELVE_MONTHS:
        for one in wanted:
            day = one.first
            while day <= min(one.last, until):
                assert any(each.starts_on <= day <= each.ends_on for each in found)
                day += timedelta(days=30)


@pytest.mark.parametrize(
    ("per", "steps", "said"),
    [
        (Per.CHILD, [], "Indiquez au moins un prix."),
        (Per.CHILD, [Step(Decimal(10), from_child=3)], "Indiquez le prix du premier enfant"),
        (Per.HOUSEHOLD, [Step(Decimal(17)), Step(Decimal(10), from_child=3)], "demande des frais par enfant"),
        (Per.CHILD, [Step(Decimal(17)), Step(Decimal(10))], "Deux prix sont écrits pour le même rang"),
    ],
)
def test_what_contradicts_itself_is_said(per, steps, said):
    assert any(said in one for one in fees.problems(per, steps))


def test_the_town_reads_its_fee_in_one_sentence():
    steps = [Step(Decimal(17), outside=Decimal(20)), Step(Decimal(10), from_child=3)]
    assert fees.sentence("Adhésion", steps, Per.CHILD, Span.SCHOOL_YEAR, day=DAY) == (
        "Adhésion : 17,00\xa0€ par enfant et par année scolaire (20,00\xa0€ hors commune), 10,00\xa0€ à"
        " partir du troisième."
    )
