"""What an audience of the town pays: which of several counts, what it replaces. Values in, amounts out."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.rules import pricing
from billing.rules.pricing import Effect, Facts, Modifier, TariffOffer, When
from tests.conftest import NOW

D = Decimal
TODAY = NOW.date()


def flat(price: str, *modifiers: Modifier) -> pricing.Tariff:
    bands = (pricing.Band(None, None, {"": D(price)}),)
    return pricing.Tariff(pricing.Kind.FLAT, bands, modifiers=modifiers)


def of(public: int, amount: str, effect: Effect = Effect.PERCENT) -> Modifier:
    return Modifier(When.PUBLIC, effect, D(amount), public=public, public_name=f"Public {public}")


ELSEWHERE = Modifier(When.NON_RESIDENT, Effect.PERCENT, D(50))


@pytest.mark.parametrize(
    ("publics", "resident", "amount"),
    [
        ((), True, "3.20"),
        ((), False, "4.80"),
        ((1,), False, "3.84"),  # + 20 % instead of + 50 %
        ((2,), False, "2.00"),
        ((2, 1), False, "2.00"),
        ((1, 2), False, "3.84"),  # the town's order, though the other one costs less
        ((3,), False, "4.80"),  # nothing is said of it
        ((3, 1), False, "3.84"),
        ((1,), True, "3.84"),  # also of who lives in the town
    ],
)
def test_the_first_audience_of_which_something_is_said_counts_and_replaces_from_elsewhere(
    publics, resident, amount
):
    tariff = flat("3.20", ELSEWHERE, of(1, "20"), of(2, "2.00", Effect.PRICE))
    price = pricing.price(tariff, Facts(resident=resident, publics=publics))
    assert price.amount == D(amount)
    assert ("Famille hors commune" in price.explanation) is (amount == "4.80")


def test_the_explanation_names_it():
    price = pricing.price(flat("3.20", of(1, "20")), Facts(publics=(1,)))
    assert "Public 1 : +\xa020\xa0%" in price.explanation


def test_where_it_is_for_one_column_the_others_keep_from_elsewhere():
    bands = (pricing.Band(None, None, {"repas": D(4), "pai": D(2)}),)
    rule = Modifier(When.PUBLIC, Effect.PERCENT, D(10), public=1, columns=frozenset({"repas"}))
    tariff = pricing.Tariff(pricing.Kind.FLAT, bands, modifiers=(ELSEWHERE, rule))

    def amount(column: str) -> Decimal:
        return pricing.price(tariff, Facts(resident=False, publics=(1,), column=column)).amount

    assert (amount("repas"), amount("pai")) == (D("4.40"), D("3.00"))


def test_an_own_tariff_counts_before_that_of_from_elsewhere_and_after_a_situations():
    offers = [
        TariffOffer(flat("10")),
        TariffOffer(flat("18"), resident=False),
        TariffOffer(flat("12"), public=1),
        TariffOffer(flat("25"), situation=When.LATE),
    ]

    def amount(**facts) -> Decimal:
        return pricing.price_among(offers, Facts(**facts), TODAY).amount

    assert amount() == 10
    assert amount(resident=False) == 18
    assert amount(resident=False, publics=(1,)) == 12
    assert amount(resident=False, publics=(2,)) == 18
    assert amount(resident=False, publics=(1,), late=True) == 25


def test_of_two_audiences_one_supplement_is_added():
    meal = {"supplement": True}
    offers = [
        TariffOffer(flat("10")),
        TariffOffer(flat("3"), public=1, **meal),
        TariffOffer(flat("4"), public=2, **meal),
    ]
    assert pricing.price_among(offers, Facts(publics=(2, 1)), TODAY).amount == 14


MODIFIERS = st.lists(
    st.tuples(st.integers(1, 4), st.integers(-90, 90)), unique_by=lambda one: one[0], max_size=4
)
ORDERS = st.lists(st.integers(1, 4), unique=True).map(tuple)


@given(MODIFIERS, ORDERS, st.booleans())
def test_one_rule_at_most_is_paid_and_it_is_the_first_of_the_towns_order(said, publics, resident):
    tariff = flat("10.00", ELSEWHERE, *(of(public, str(percent)) for public, percent in said))
    percents = dict(said)
    counts = next((public for public in publics if public in percents), None)
    expected = percents[counts] if counts is not None else 0 if resident else 50
    amount = pricing.price(tariff, Facts(resident=resident, publics=publics)).amount
    assert amount == (D(10) * (100 + expected) / 100).quantize(D("0.01"))


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(1, 30)), min_size=1, max_size=6), ORDERS)
def test_a_price_of_nobody_elses_audience_is_ever_paid(said, publics):
    offers = [TariffOffer(flat("99")), *(TariffOffer(flat(str(price)), public=one) for one, price in said)]
    counts = next((one for one in publics if one in dict(said)), None)
    mine = {D(price) for one, price in said if one == (counts or 0)}
    others = {D(99)} if counts is None else set()
    assert pricing.price_among(offers, Facts(publics=publics), TODAY).amount in mine | others
