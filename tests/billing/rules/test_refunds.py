"""What a cancelled day gives back by how many days before: steps, cents, words."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.rules import refunds as rules
from billing.rules.refunds import Step, Until

D = Decimal
STEPS = [Step(30, 70), Step(15, 50), Step(7, 30)]
FIRST = date(2027, 2, 15)


def due(days_before, price="36.00"):
    return rules.kept(STEPS, D(price), FIRST, FIRST - timedelta(days=days_before)).due


@pytest.mark.parametrize(
    ("days_before", "left"),
    [(60, "10.80"), (30, "10.80"), (29, "18.00"), (15, "18.00"), (14, "25.20"), (7, "25.20"), (6, "36.00")],
)
def test_the_furthest_step_reached_counts(days_before, left):
    assert due(days_before) == D(left)


def test_nothing_comes_back_on_the_day_or_once_it_has_begun():
    assert (due(0), due(-3)) == (D("36.00"), D("36.00"))


def test_half_a_cent_is_the_familys():
    # Half of 4.35 is 2.175; 30 % of it 1.305.
    assert (due(15, "4.35"), due(14, "4.35")) == (D("2.17"), D("3.04"))


def test_steps_as_a_family_reads_them():
    assert rules.in_words(STEPS, Until.PERIOD) == [
        "Un jour annulé 30 jours avant ou plus tôt rend 70\xa0% de son prix ; "
        "de 15 à 29 jours avant, 50\xa0% ; de 7 à 14 jours avant, 30\xa0% ; ensuite, rien.",
        "Les jours se comptent avant le premier jour de la période.",
    ]


@pytest.mark.parametrize(
    ("steps", "word"),
    [
        ([], "au moins un palier"),
        ([Step(30, 70), Step(30, 50)], "Deux paliers"),
        ([Step(30, 50), Step(15, 70)], "doit rendre plus"),
        ([Step(30, 50), Step(15, 50)], "doit rendre plus"),
        ([Step(30, 120)], "de 0 à 100"),
    ],
)
def test_steps_that_contradict_one_another_are_said(steps, word):
    assert any(word in sentence for sentence in rules.problems(steps))


def test_steps_that_stand_together_are_not():
    assert rules.problems(STEPS) == []


scales = st.lists(
    st.tuples(st.integers(0, 90), st.integers(0, 100)), min_size=1, max_size=5, unique_by=lambda one: one[0]
).map(
    lambda rows: [
        Step(days, percent)
        for days, percent in zip(
            sorted(days for days, _ in rows), sorted(percent for _, percent in rows), strict=True
        )
    ]
)


@given(scales, st.integers(0, 10**6), st.integers(-10, 120), st.integers(0, 60))
def test_what_is_due_and_given_back_make_the_price_and_earlier_never_costs_more(steps, cents, days, more):
    price = D(cents) / 100
    near = rules.kept(steps, price, FIRST, FIRST - timedelta(days=days))
    far = rules.kept(steps, price, FIRST, FIRST - timedelta(days=days + more))
    assert near.back + near.due == price
    assert D(0) <= near.due <= price
    assert far.due <= near.due
