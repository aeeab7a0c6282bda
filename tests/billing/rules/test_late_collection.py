"""Children who are collected after closing: quarters begun, a flat price after an hour, only from the nth."""

from datetime import date, time
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.rules.late_collection import LateRule, Span, in_words, late, span_start

D = Decimal
QUARTERS = LateRule(time(18, 30), quarter=D(5))
BOTH = LateRule(time(18, 30), quarter=D(5), flat=D(10), flat_after=time(18, 50))
FROM_THE_THIRD = LateRule(time(18, 30), flat=D(8), from_nth=3, span=Span.MONTH)


@pytest.mark.parametrize(
    ("left_at", "amount"),
    [
        (time(18, 31), 5),
        (time(18, 45), 5),
        (time(18, 46), 10),
        (time(19, 0), 10),
        (time(19, 1), 15),
    ],
)
def test_each_quarter_begun_costs_five_euros(left_at, amount):
    found = late(QUARTERS, left_at)
    assert found is not None and found.amount == D(amount)


@pytest.mark.parametrize(
    ("left_at", "amount"), [(time(18, 40), 5), (time(18, 50), 10), (time(18, 51), 10), (time(20, 0), 10)]
)
def test_after_ten_to_seven_the_flat_price_is_due_instead(left_at, amount):
    found = late(BOTH, left_at)
    assert found is not None and found.amount == D(amount)


def test_who_leaves_by_closing_or_within_the_tolerance_is_not_late():
    assert late(QUARTERS, time(18, 30)) is None and late(QUARTERS, time(17)) is None
    kind = LateRule(time(18, 30), quarter=D(5), tolerance=5)
    assert late(kind, time(18, 35)) is None
    found = late(kind, time(18, 36))
    assert found is not None and (found.minutes, found.amount) == (6, D(5))


def test_only_from_the_third_on():
    amounts = [found.amount for before in range(4) if (found := late(FROM_THE_THIRD, time(19), before))]
    assert amounts == [0, 0, 8, 8]


def test_a_flat_price_of_a_later_hour_alone_costs_nothing_before_it():
    rule = LateRule(time(18), flat=D(10), flat_after=time(18, 50))
    found = late(rule, time(18, 45))
    assert found is not None and found.amount == 0
    assert late(rule, time(18, 51)).amount == D(10)


def test_the_sum_is_explained():
    assert late(QUARTERS, time(18, 47)).words == (
        "Départ à 18\xa0h\xa047, 17 minutes après la fermeture (18\xa0h\xa030) :"
        " 2 quarts d'heure commencés à 5,00\xa0€"
    )
    assert late(BOTH, time(19)).words.endswith("après 18\xa0h\xa050, forfait de 10,00\xa0€")
    assert late(FROM_THE_THIRD, time(19)).words.endswith(
        "1er retard du mois, rien n'est facturé ; à partir du 3e, chaque retard le sera"
    )


def test_evenings_count_within_their_month_or_school_year():
    assert span_start(FROM_THE_THIRD, date(2026, 11, 30)) == date(2026, 11, 1)
    assert span_start(QUARTERS, date(2026, 11, 30)) == date(2026, 9, 1)
    assert span_start(QUARTERS, date(2027, 1, 5), [date(2026, 2, 1)]) == date(2026, 2, 1)


def test_the_rule_in_words():
    assert in_words(BOTH) == [
        "Fermeture à 18\xa0h\xa030.",
        "Ensuite, 5,00\xa0€ par quart d'heure commencé.",
        "Après 18\xa0h\xa050, un forfait de 10,00\xa0€ à la place.",
    ]
    assert in_words(FROM_THE_THIRD)[-1] == "Les 2 premiers retards du mois ne sont pas facturés."


HOURS = st.times(time(17), time(23, 59)).map(lambda at: at.replace(second=0, microsecond=0))


@given(HOURS, HOURS, st.integers(0, 30), st.integers(1, 5), st.integers(0, 6))
def test_leaving_later_is_never_cheaper(one, other, tolerance, nth, before):
    rule = LateRule(time(18, 30), quarter=D(5), tolerance=tolerance, from_nth=nth)
    early, later = (late(rule, at, before) for at in sorted([one, other]))
    if early is not None:
        assert later is not None and later.amount >= early.amount
        assert early.amount % 5 == 0
        assert (early.amount == 0) == (before + 1 < nth)
