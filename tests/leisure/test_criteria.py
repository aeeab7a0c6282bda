"""In which order requests are granted."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as some

from leisure.criteria import Asking, RequestOrder, ranked
from tests.factories import paris

MORNING = paris(2026, 11, 9, 8)
# By arrival 1, 2, 3, 4.
FIRST = Asking(1, MORNING, resident=False, quotient=Decimal("900"))
SECOND = Asking(2, MORNING + timedelta(hours=1), quotient=None)
THIRD = Asking(3, MORNING + timedelta(hours=2), sibling=True, quotient=Decimal("300.50"))
FOURTH = Asking(4, MORNING + timedelta(hours=3), resident=False, sibling=True, quotient=Decimal("250"))
ALL = [FOURTH, SECOND, FIRST, THIRD]


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        (RequestOrder.ARRIVAL, [1, 2, 3, 4]),
        (RequestOrder.RESIDENTS, [2, 3, 1, 4]),
        (RequestOrder.SIBLINGS, [3, 4, 1, 2]),
        (RequestOrder.RESIDENTS_SIBLINGS, [3, 2, 4, 1]),
        (RequestOrder.QUOTIENT, [4, 3, 1, 2]),
        (RequestOrder.RESIDENTS_QUOTIENT, [3, 2, 4, 1]),
    ],
)
def test_each_order_serves_first(order, expected):
    assert [one.asking.line_id for one in ranked(ALL, order)] == expected


def test_each_rank_says_why():
    assert [one.why for one in ranked(ALL, RequestOrder.ARRIVAL)] == ["", "", "", ""]
    assert [one.why for one in ranked(ALL, RequestOrder.RESIDENTS_QUOTIENT)] == [
        "commune, quotient 300,50",
        "commune, sans quotient",
        "hors commune, quotient 250",
        "hors commune, quotient 900",
    ]
    assert [one.why for one in ranked(ALL, RequestOrder.SIBLINGS)][:2] == ["fratrie accueillie"] * 2


def test_a_quotient_of_nothing_is_the_lowest():
    poorest = replace(FIRST, line_id=9, quotient=Decimal(0))
    assert ranked([SECOND, FIRST, poorest], RequestOrder.QUOTIENT)[0].asking == poorest


def test_every_order_is_explained():
    assert RequestOrder.ARRIVAL.explanation == "La première demande reçue est la première servie."
    assert RequestOrder.RESIDENTS_SIBLINGS.explanation == (
        "D'abord les familles de la commune, puis les enfants dont un frère ou une sœur a déjà une place "
        "ce jour-là. À égalité, l'ordre d'arrivée."
    )
    assert all(order.label and order.explanation for order in RequestOrder)


ASKINGS = some.lists(
    some.builds(
        Asking,
        line_id=some.integers(1, 10**6),
        arrived=some.integers(0, 5).map(lambda hours: MORNING + timedelta(hours=hours)),
        resident=some.booleans(),
        sibling=some.booleans(),
        quotient=some.none() | some.decimals(0, 3000, places=2),
    ),
    max_size=12,
    unique_by=lambda asking: asking.line_id,
)


@given(asked=ASKINGS, order=some.sampled_from(RequestOrder), shuffled=some.randoms())
def test_the_order_does_not_depend_on_how_requests_are_read(asked, order, shuffled):
    mixed = list(asked)
    shuffled.shuffle(mixed)
    assert ranked(mixed, order) == ranked(asked, order)
    assert sorted(one.asking.line_id for one in ranked(asked, order)) == sorted(
        asking.line_id for asking in asked
    )
