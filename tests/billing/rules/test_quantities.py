"""What several presences cost together, without a database."""

from collections.abc import Hashable
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.rules import quantities
from billing.rules.order import PLACES, Step
from billing.rules.quantities import Count, Counted, Kind, Quantity, Span, Taken

D = Decimal
MONDAY = date(2026, 12, 7)
COLUMNS = {"one": D("2.50"), "regular": D("2.10"), "f2": D(51), "f3": D(70), "f5": D(117)}


class Written:
    def in_column(self, key: Hashable, column: str) -> Decimal:
        return COLUMNS[column]

    def whole(self, key: Hashable, column: str) -> Decimal:
        return COLUMNS[column]


def taken(*days, amount="2.50", child=1, formula=1, **fields):
    return [
        Taken((child, formula, day), child, formula, MONDAY + timedelta(days=day), D(amount), **fields)
        for day in days
    ]


def total(rules, presences):
    found = quantities.effects(rules, presences, Written())
    return sum((one.amount for one in [*presences, *found]), D(0))


REGULAR = Quantity(Kind.COLUMN, Span.WEEK, 4, column="regular")
PACKAGES = [Quantity(Kind.PACKAGE, Span.WEEK, size, column=f"f{size}") for size in (2, 3, 5)]


def test_from_the_fourth_evening_of_a_week_every_one_is_cheaper():
    assert total([REGULAR], taken(0, 1, 3)) == D("7.50")
    assert total([REGULAR], taken(0, 1, 3, 4)) == D("8.40")


def test_another_week_counts_by_itself():
    assert total([REGULAR], taken(0, 1, 3, 4, 7)) == D("10.90")


def test_mornings_and_evenings_count_apart_or_together():
    both = [*taken(0, 1), *taken(0, 1, formula=2)]
    presences = replace(REGULAR, count=Count.PRESENCES)
    assert total([presences], both) == D("8.40")
    assert total([REGULAR], both) == D("10.00")
    assert total([replace(presences, apart=True)], both) == D("10.00")


def test_an_excused_evening_that_was_reserved_keeps_the_others_cheap():
    missed = replace(taken(4)[0], amount=D(0), due=False, came=False)
    assert total([REGULAR], [*taken(0, 1, 3), missed]) == D("6.30")
    attended = replace(REGULAR, counted=Counted.ATTENDED)
    assert total([attended], [*taken(0, 1, 3), missed]) == D("7.50")


@pytest.mark.parametrize(("days", "price"), [(1, 51), (2, 51), (3, 70), (4, 117), (5, 117)])
def test_between_two_packages_the_next_one_up(days, price):
    assert total(PACKAGES, taken(*range(days), amount="0")) == price


def test_more_days_than_the_largest_package_are_several():
    by_month = [replace(one, span=Span.MONTH) for one in PACKAGES]
    assert total(by_month, taken(*range(7), amount="0")) == 117 + 51


def test_a_cap_and_a_flat_price():
    days = taken(*range(23), amount="5.20")
    assert total([Quantity(Kind.CAP, Span.MONTH, amount=D(32))], days) == D("32.00")
    assert total([Quantity(Kind.CAP, Span.MONTH, amount=D(32))], days[:6]) == D("31.20")
    flat = Quantity(Kind.FLAT, Span.MONTH, 5, amount=D("18.00"))
    assert total([flat], days[:4]) == D("20.80")
    assert total([flat], days[:5]) == D("18.00")


def test_both_ends_of_a_day_at_the_price_of_one():
    one = Quantity(Kind.ONE, Span.DAY, 2)
    assert total([one], [*taken(0, amount="1.50"), *taken(0, 1, amount="1.50", formula=2)]) == D("3.00")
    assert total([one], [*taken(0, amount="1.50"), *taken(0, amount="2.00", formula=2)]) == D("2.00")


def test_three_brothers_and_sisters_share_the_cents():
    together = Quantity(Kind.SIBLINGS, Span.DAY, 3, amount=D("12.40"))
    three = [*taken(0, amount="4.50"), *taken(0, amount="4.50", child=2), *taken(0, amount="4.50", child=3)]
    assert total([together], three) == D("12.40")
    assert total([together], three[:2]) == D("9.00")
    found = quantities.effects([together], three, Written())
    assert sorted(one.amount for one in found) == [D("-0.37"), D("-0.37"), D("-0.36")]


def test_of_four_children_the_fourth_pays_its_own():
    together = Quantity(Kind.SIBLINGS, Span.DAY, 3, amount=D("12.40"))
    assert total(
        [together], [one for child in range(4) for one in taken(0, amount="4.50", child=child)]
    ) == D("16.90")


def test_what_is_late_is_added_to_a_package():
    late = replace(taken(0, amount="0")[0], extra=D("1.00"))
    assert total(PACKAGES, [late, *taken(1, 3, amount="0")]) == 71


def test_a_cap_of_a_month_comes_after_a_week_s_package():
    rules = [*PACKAGES, Quantity(Kind.CAP, Span.MONTH, amount=D(100))]
    assert total(rules, taken(0, 1, 2, 7, 8, 9, amount="0")) == 100


def test_the_steps_follow_each_other_as_they_are_written_once():
    steps = [quantities.STEPS[kind] for kind in quantities.IN_ORDER]
    assert steps == sorted(steps, key=lambda step: PLACES[step])
    assert list(Step) == [
        "base",
        "quantity",
        "siblings",
        "status",
        "situation",
        "late",
        "floor",
        "cap",
        "card",
    ]


PRESENCES = st.lists(
    st.tuples(st.integers(0, 60), st.integers(1, 3), st.integers(1, 2), st.integers(0, 2000), st.booleans()),
    unique_by=lambda one: one[:3],
    max_size=25,
)
RULES = st.lists(
    st.builds(
        Quantity,
        st.sampled_from([Kind.ONE, Kind.FLAT, Kind.SIBLINGS, Kind.FLOOR, Kind.CAP, Kind.COLUMN]),
        st.sampled_from([Span.DAY, Span.WEEK, Span.MONTH]),
        st.integers(2, 6),
        st.decimals(0, 90, places=2),
        st.just("regular"),
        family=st.booleans(),
        count=st.sampled_from(Count),
    ),
    max_size=4,
)


@given(PRESENCES, RULES, st.randoms())
def test_cents_add_up_whatever_the_order_of_presences(rows, rules, random):
    presences = [
        Taken(
            (day, child, formula), child, formula, MONDAY + timedelta(days=day), D(cents) / 100 * due, due=due
        )
        for day, child, formula, cents, due in rows
    ]
    amount = total(rules, presences)
    random.shuffle(presences)
    assert total(rules, presences) == amount == amount.quantize(D("0.01"))
    assert amount >= 0


@given(PRESENCES, st.decimals(0, 90, places=2))
def test_never_more_than_the_cap(rows, most):
    presences = [
        Taken((day, child, formula), child, formula, MONDAY + timedelta(days=day), D(cents) / 100)
        for day, child, formula, cents, _ in rows
    ]
    cap = Quantity(Kind.CAP, Span.WEEK, amount=most, family=True)
    weeks = {quantities.week_of(one.day).name for one in presences}
    assert total([cap], presences) <= most * len(weeks)


@pytest.mark.parametrize(
    ("rules", "unit", "sentence"),
    [
        ([REGULAR], "month", "Un forfait au mois ou à la période ne dépend pas du nombre de jours pris."),
        (PACKAGES, "hour", "Un forfait de jours remplace le prix de la présence, pas celui de l'heure."),
        (
            [*PACKAGES, REGULAR],
            "presence",
            "Un forfait de jours remplace le prix du jour : aucune colonne ne le change plus.",
        ),
        ([REGULAR, REGULAR], "hour", "Deux règles selon le nombre disent un prix pour le même nombre."),
        (
            [Quantity(Kind.FLOOR, Span.MONTH, amount=D(9)), Quantity(Kind.CAP, Span.MONTH, amount=D(8))],
            "presence",
            "Le minimum dépasse le plafond (par mois).",
        ),
        (
            [Quantity(Kind.SIBLINGS, Span.WEEK, 3, amount=D(9))],
            "presence",
            "Un prix pour frères et sœurs ensemble s'entend par jour.",
        ),
    ],
)
def test_what_contradicts_itself_is_said(rules, unit, sentence):
    assert sentence in quantities.contradictions(rules, unit, [])


def test_the_published_rules_do_not():
    assert quantities.contradictions([REGULAR], "hour", ["one", "regular"]) == []
    assert quantities.contradictions(PACKAGES, "presence", ["f2", "f3", "f5"]) == []
