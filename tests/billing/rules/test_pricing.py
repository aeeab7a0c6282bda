"""Prices are pure arithmetic: what the towns publish, and what must hold for every grid."""

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.rules.pricing import (
    Band,
    Between,
    Effect,
    Facts,
    Kind,
    Modifier,
    NoPrice,
    NoQuotient,
    Rate,
    Tariff,
    Unit,
    When,
    price,
    rounded,
    started,
)
from billing.rules.tariff_checks import Trouble, problems
from portal.french.amounts import euros

D = Decimal


def band(low, high, amount=None, name="", **columns):
    prices = {column: D(value) for column, value in columns.items()} if columns else {"": D(amount)}
    return Band(D(low), None if high is None else D(high), prices, name)


CANTEEN = Tariff(
    Kind.BANDS,
    bands=(
        band("0", "399.99", repas="0.50", pai="0.50"),
        band("400", "639.99", repas="1.75", pai="0.80"),
        band("640", "1899.99", repas="2.35", pai="0.80"),
        band("1900.01", None, repas="4.90", pai="1.00"),
    ),
    modifiers=(
        Modifier(When.LATE, Effect.ADD, D("2.50"), columns=frozenset({"repas"})),
        Modifier(When.PAI, Effect.COLUMN, column="pai"),
    ),
)


def cost(tariff, **facts):
    if "quotient" in facts:
        facts["quotient"] = D(facts["quotient"])
    return price(tariff, Facts(**facts)).amount


def flat(amount, *modifiers, **options):
    return Tariff(Kind.FLAT, (Band(None, None, {"": D(amount)}),), modifiers=modifiers, **options)


@pytest.mark.parametrize(
    ("quotient", "expected"),
    [
        ("0", "0.50"),
        ("399.99", "0.50"),
        ("400", "1.75"),
        ("639.99", "1.75"),
        ("640", "2.35"),
        ("9000", "4.90"),
    ],
)
def test_both_limits_of_a_band_belong_to_it(quotient, expected):
    assert cost(CANTEEN, quotient=quotient) == D(expected)


def test_a_quotient_between_two_bands_pays_the_one_below_unless_the_town_says_above():
    above = Tariff(Kind.BANDS, CANTEEN.bands, between=Between.UPPER)
    assert cost(CANTEEN, quotient="1900") == D("2.35")
    assert cost(above, quotient="1900") == D("4.90")


def test_an_overlap_is_settled_by_the_same_setting():
    bands = (band("0", "400", "1"), band("400", None, "2"))
    assert cost(Tariff(Kind.BANDS, bands), quotient="400") == 1
    assert cost(Tariff(Kind.BANDS, bands, between=Between.UPPER), quotient="400") == 2


def test_without_proof_of_quotient_the_highest_band_or_the_one_the_town_names():
    bands = (
        band("0", "500", "1", "A"),
        band("500.01", "900", "2", "B"),
        band("900.01", None, "3", "C"),
    )
    assert cost(Tariff(Kind.BANDS, bands)) == 3
    named = Tariff(Kind.BANDS, bands, no_quotient=NoQuotient.BAND, no_quotient_band="B")
    assert cost(named) == 2
    fixed = Tariff(Kind.BANDS, bands, no_quotient=NoQuotient.PRICE, no_quotient_price=D("7.40"))
    assert cost(fixed) == D("7.40")


def test_effort_rate_stays_between_floor_and_ceiling():
    tariff = Tariff(Kind.EFFORT, rates=(Rate(D("0.36"), D("2.60"), D("4.50")),))
    assert [cost(tariff, quotient=q) for q in ("500", "800", "1000", "1250", "3000")] == [
        D("2.60"), D("2.88"), D("3.60"), D("4.50"), D("4.50"),
    ]  # fmt: skip
    assert cost(tariff) == D("4.50")
    assert "ramené au plafond" in price(tariff, Facts(D(3000))).explanation


@pytest.mark.parametrize(
    ("quotient", "step", "expected"),
    [("700", "0.05", "2.62"), ("728", "0.05", "2.62"), ("936.54", "0.05", "3.35"), ("9000", "0.05", "4.48")],
    ids=["at the floor", "stepped under the floor", "worked out", "at the ceiling"],
)
def test_the_step_moves_what_is_worked_out_and_never_a_written_limit(quotient, step, expected):
    tariff = Tariff(Kind.EFFORT, rates=(Rate(D("0.36"), D("2.62"), D("4.48")),), step=D(step))
    got = price(tariff, Facts(D(quotient)))
    assert got.amount == D(expected)
    assert got.explanation.rstrip(".").endswith(euros(D(expected))), "the words say what is paid"


def test_the_step_leaves_a_written_price_and_what_is_added_to_it():
    late = Modifier(When.LATE, Effect.ADD, D("1.01"))
    half = Modifier(When.LATE, Effect.MULTIPLY, D("0.5"))
    assert cost(flat("3.22", step=D("0.05"))) == D("3.22")
    assert cost(flat("3.22", late, step=D("0.05")), late=True) == D("4.23")
    assert cost(flat("3.22", half, step=D("0.05")), late=True) == D("1.60")


def test_effort_rate_by_number_of_children_and_in_a_straight_line():
    rates = (Rate(D("0.06")), Rate(D("0.05"), children=2))
    assert cost(Tariff(Kind.EFFORT, rates=rates), quotient="1000", children=4) == D("0.50")
    line = Rate(D(0), D(1), D(5), low=D(200), high=D(1000))
    assert [cost(Tariff(Kind.EFFORT, rates=(line,)), quotient=q) for q in ("0", "600", "2000")] == [1, 3, 5]


def test_half_a_cent_is_rounded_up():
    assert cost(Tariff(Kind.EFFORT, rates=(Rate(D("0.5")),)), quotient="101") == D("0.51")
    assert rounded(D("2.675")) == D("2.68")
    assert rounded(D("2.675"), D("0.05")) == D("2.70")


def test_late_is_added_multiplied_or_a_price_of_its_own():
    for effect, amount, expected in [
        (Effect.ADD, "1", "5.40"), (Effect.MULTIPLY, "1.5", "6.60"),
        (Effect.PERCENT, "50", "6.60"), (Effect.PRICE, "7.61", "7.61"),
    ]:  # fmt: skip
        tariff = flat("4.40", Modifier(When.LATE, effect, D(amount)))
        assert cost(tariff) == D("4.40")
        assert cost(tariff, late=True) == D(expected)


def test_an_unexpected_child_pays_its_own_price_or_else_the_late_one():
    late = Modifier(When.LATE, Effect.PRICE, D("5.49"))
    own = Modifier(When.UNRESERVED, Effect.PRICE, D("10"))
    assert cost(flat("3.50", late), unreserved=True) == D("5.49")
    assert cost(flat("3.50", late, own), unreserved=True) == 10


def test_rank_columns_end_with_the_last_one_and_strangers_have_their_own():
    ranks = tuple(Modifier(When.RANK, Effect.COLUMN, number=rank, column=f"r{rank}") for rank in (2, 3, 4))
    tariff = Tariff(
        Kind.BANDS,
        (band("0", None, r1="7.86", r2="7.10", r3="6.42", r4="5.80", ext="14.00"),),
        modifiers=(*ranks, Modifier(When.NON_RESIDENT, Effect.COLUMN, column="ext")),
    )
    assert [cost(tariff, rank=rank) for rank in (1, 2, 5)] == [
        D("7.86"),
        D("7.10"),
        D("5.80"),
    ]
    assert cost(tariff, rank=2, resident=False) == 14
    assert cost(tariff, column="r9", final_column=True) == D("5.80")


def test_three_children_pay_one_band_lower_and_the_first_band_has_none_below():
    tariff = Tariff(
        Kind.BANDS,
        (
            band("0", "449.99", "7.20"),
            band("451", "750", "10.05"),
            band("751", None, "11.30"),
        ),
        modifiers=(
            Modifier(When.CHILDREN, Effect.SHIFT, D(-1), number=3),
            Modifier(When.NON_RESIDENT, Effect.ADD, D(2)),
        ),
    )
    assert cost(tariff, quotient="800", children=3) == D("10.05")
    assert cost(tariff, quotient="800", children=3, resident=False) == D("12.05")
    assert cost(tariff, quotient="100", children=3) == D("7.20")


def test_only_the_most_demanding_reduction_of_rank_counts():
    tariff = flat(
        "10",
        Modifier(When.RANK, Effect.PERCENT, D(-10), number=2),
        Modifier(When.RANK, Effect.PERCENT, D(-25), number=3),
    )
    assert [cost(tariff, rank=rank) for rank in (1, 2, 3, 4)] == [
        10,
        9,
        D("7.50"),
        D("7.50"),
    ]


def test_every_started_half_hour_is_due():
    assert [started(minutes, Unit.HALF_HOUR) for minutes in (0, 1, 30, 31, 65)] == [
        0,
        1,
        1,
        2,
        3,
    ]
    assert started(46, Unit.QUARTER) == 4
    assert cost(flat("1.15", unit=Unit.HALF_HOUR), units=D(3)) == D("3.45")


def test_school_level_adult_pai_and_absence():
    tariff = flat(
        "3.70",
        Modifier(When.LEVEL, Effect.PRICE, D("3.30"), level="maternelle"),
        Modifier(When.ADULT, Effect.PRICE, D(7)),
        Modifier(When.PAI, Effect.PRICE, D("1.75")),
        Modifier(When.ABSENT, Effect.ADD, D("0.50")),
    )
    assert cost(tariff, level="maternelle") == D("3.30")
    assert cost(tariff, adult=True) == 7
    assert cost(tariff, pai=True) == D("1.75")
    assert cost(tariff, absent=True) == D("4.20")
    assert cost(tariff, level="elementaire") == D("3.70")


def test_a_grid_is_never_used_outside_its_dates():
    tariff = flat("4.10", valid_to=date(2024, 9, 1))
    assert price(tariff, Facts(), date(2024, 9, 1)).amount == D("4.10")
    with pytest.raises(NoPrice, match="pas en vigueur le 02/09/2024"):
        price(tariff, Facts(), date(2024, 9, 2))


def test_the_explanation_says_quotient_band_and_modifiers():
    said = price(CANTEEN, Facts(D(700), late=True)).explanation.replace("\N{NO-BREAK SPACE}", " ")
    assert said == ("Quotient 700, tranche de 640 à 1 899,99 : 2,35 €. Réservation hors délai : + 2,50 €.")


@pytest.mark.parametrize(
    ("tariff", "facts", "message"),
    [
        (CANTEEN, Facts(D(-1)), "jamais négatif"),
        (CANTEEN, Facts(D("NaN")), "jamais négatif"),
        (CANTEEN, Facts(D(1), column="gouter"), "pas de colonne « gouter »"),
        (CANTEEN, Facts(D(1), units=D(-1)), "quantité"),
        (Tariff(Kind.BANDS), Facts(D(1)), "vide"),
        (Tariff(Kind.EFFORT), Facts(D(1)), "pas de taux"),
        (Tariff(Kind.EFFORT, rates=(Rate(D(1)),)), Facts(), "sans plafond"),
    ],
)
def test_what_cannot_be_priced_is_refused_in_words(tariff, facts, message):
    with pytest.raises(NoPrice, match=message):
        price(tariff, facts)


def test_a_grid_tells_its_gaps_and_overlaps_with_exact_amounts():
    said = [(one.trouble, one.sentence) for one in problems(CANTEEN.bands)]
    assert said == [
        (
            Trouble.GAP,
            "Le quotient 1\N{NO-BREAK SPACE}900 n'est dans aucune tranche : il paie la tranche du dessous.",
        )
    ]
    bands = (
        band("10", "449.99", "1"),
        band("451", "600", "2"),
        band("550", "700", "3"),
    )
    assert [(one.trouble, one.low, one.high) for one in problems(bands)] == [
        (Trouble.START, D(0), D("9.99")),
        (Trouble.GAP, D("450.00"), D("450.99")),
        (Trouble.OVERLAP, D(550), D(600)),
        (Trouble.END, D("700.01"), None),
    ]
    assert [one.trouble for one in problems(())] == [Trouble.EMPTY]
    assert Trouble.REVERSED in {one.trouble for one in problems((band("9", "2", "1"),))}


def test_a_grid_in_whole_euros_says_its_gaps_once():
    bands = tuple(band(str(low), str(low + 99), "1") for low in range(0, 4000, 100))
    assert [(one.trouble, one.low, one.high) for one in problems(bands)] == [
        (Trouble.GAP, D("99.01"), D("3899.99")),
        (Trouble.END, D("3999.01"), None),
    ]
    assert problems(bands)[0].sentence == (
        "Les tranches vont d'un euro entier au suivant : un quotient qui tombe entre deux, avec des centimes,"
        " paie la tranche du dessous."
    )
    wider = (*bands, band("4001", "4200", "2"))
    assert [one.trouble for one in problems(wider)].count(Trouble.GAP) == 2


def test_amounts_are_written_in_french():
    assert euros(D("1250.4")) == "1\N{NO-BREAK SPACE}250,40\N{NO-BREAK SPACE}€"


quotients = st.decimals(0, 20_000, places=2)
amounts = st.decimals(0, 200, places=2)


@st.composite
def grids(draw):
    """Any set of bands, with gaps, overlaps and limits left open."""
    rows = draw(st.lists(st.tuples(quotients, quotients, amounts), min_size=1, max_size=8))
    return tuple(
        Band(None if not low else min(low, high), max(low, high) or None, {"": amount})
        for low, high, amount in rows
    )


@given(grids(), quotients | st.none(), st.sampled_from(Between))
def test_every_grid_prices_every_quotient_with_one_of_its_prices(bands, quotient, between):
    got = price(Tariff(Kind.BANDS, bands, between=between), Facts(quotient))
    assert got.amount in {one.prices[""] for one in bands}
    assert got.steps


@given(grids(), quotients)
def test_no_warning_of_a_gap_means_that_a_band_holds_the_quotient(bands, quotient):
    troubles = {one.trouble for one in problems(bands)}
    if not troubles & {Trouble.GAP, Trouble.START, Trouble.END}:
        assert any(one.holds(quotient) for one in bands)


@given(amounts, st.integers(0, 400), st.sampled_from([D("0.01"), D("0.05"), D("0.10")]))
def test_quantity_times_unit_price_is_the_total_to_the_cent(amount, units, step):
    got = price(flat(amount, step=step), Facts(units=D(units)))
    assert got.amount == got.unit_price * units
    assert got.amount == got.amount.quantize(D("0.01"))


@given(quotients, quotients, st.decimals("0.01", 2, places=4), amounts, amounts)
def test_effort_rate_never_falls_when_the_quotient_climbs(one, other, percent, floor, more):
    tariff = Tariff(Kind.EFFORT, rates=(Rate(percent, floor, floor + more),))
    low, high = sorted((one, other))
    assert floor <= cost(tariff, quotient=low) <= cost(tariff, quotient=high) <= floor + more
