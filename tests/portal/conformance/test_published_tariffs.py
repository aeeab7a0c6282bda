"""Tariffs as towns publish them, every modifier with every kind of grid, against the sum done by hand."""

from decimal import ROUND_HALF_UP, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.conformance.price_cases import why_wrong
from portal.conformance.published_towns import Case
from portal.management.commands.replay_towns import Command
from tests.conftest import on_the_database

CENT = Decimal("0.01")
amounts = st.decimals("0", "30", places=2)
factors = st.sampled_from(["0.5", "1.25", "1.5", "2"])
columns_of_a_grid = st.sampled_from([[], ["journee", "demi"], ["r1", "r2", "r3", "ext"]])
effects = st.one_of(
    st.none(),
    st.builds(lambda value: {"add": str(value)}, amounts),
    st.builds(lambda value: {"price": str(value)}, amounts),
    st.builds(lambda value: {"multiply": value}, factors),
    st.builds(lambda value: {"percent": value}, st.sampled_from(["-25", "10", "50"])),
)


@st.composite
def priced_rows(draw, columns):
    """`price`, or `prices` by column."""
    if not columns:
        return {"price": str(draw(amounts))}
    return {"prices": {column: str(draw(amounts)) for column in columns}}


@st.composite
def tariffs(draw, name):
    kind = draw(st.sampled_from(["flat", "bands", "effort"]))
    tariff = {"id": name, "type": kind}
    if kind == "effort":
        floor = draw(amounts)
        tariff |= {
            "rate_percent": str(draw(st.decimals("0.05", "2", places=3))),
            "floor": str(floor),
            "ceiling": str(floor + draw(amounts)),
        }
    else:
        columns = draw(columns_of_a_grid)
        tariff |= {"columns": columns} if columns else {}
        if kind == "flat":
            tariff |= draw(priced_rows(columns))
        else:
            limits = sorted(draw(st.sets(st.integers(1, 2500), min_size=1, max_size=5)))
            lows = [Decimal(0), *map(Decimal, limits)]
            highs = [str(low - CENT) for low in lows[1:]] + [None]
            tariff["bands"] = [
                {"min": str(low), "max": high} | draw(priced_rows(columns))
                for low, high in zip(lows, highs, strict=True)
            ]
            if draw(st.booleans()):
                tariff["band_shift_if_children_at_least"] = draw(st.integers(2, 3))
    for circumstance in ("nonresident", "late"):
        if effect := draw(effects):
            tariff[circumstance] = effect
    return tariff


@st.composite
def cases(draw):
    """A town with a tariff and a supplement, and a family's case without its price."""
    main, extra = draw(tariffs("main")), draw(tariffs("extra"))
    case = {
        "tariff": "main",
        "qf": str(draw(st.decimals("0", "3000", places=2))),
        "resident": draw(st.booleans()),
        "late": draw(st.booleans()),
        "rank": draw(st.integers(1, 5)),
        "children": draw(st.integers(1, 4)),
        "units": draw(st.integers(1, 4)),
    }
    if columns := main.get("columns"):
        case["column"] = draw(st.sampled_from(columns))
    if draw(st.booleans()):
        case["extras"] = ["extra"]
    return {"id": "essai", "tariffs": [main, extra]}, case


def by_hand(tariff, case):
    """The price of one unit, as the conventions of the file say it."""
    quotient = Decimal(case["qf"])
    if tariff["type"] == "effort":
        price = quotient * Decimal(tariff["rate_percent"]) / 100
        price = min(max(price, Decimal(tariff["floor"])), Decimal(tariff["ceiling"]))
    else:
        row = tariff
        if tariff["type"] == "bands":
            place = max(
                place for place, band in enumerate(tariff["bands"]) if Decimal(band["min"]) <= quotient
            )
            if case["children"] >= tariff.get("band_shift_if_children_at_least", 99):
                place = max(place - 1, 0)
            row = tariff["bands"][place]
        price = Decimal(row["price"] if "price" in row else row["prices"][column_by_hand(tariff, case)])
    if not case["resident"]:
        price = changed_by_hand(price, tariff.get("nonresident"))
    if case["late"]:
        price = changed_by_hand(price, tariff.get("late"))
    return price.quantize(CENT, rounding=ROUND_HALF_UP)


def column_by_hand(tariff, case):
    """The column that the case names; in another grid, the child's own: « ext », its rank, the first one."""
    columns = tariff["columns"]
    if case.get("column") in columns:
        return case["column"]
    if "ext" not in columns:
        return columns[0]
    return f"r{min(case['rank'], 3)}" if case["resident"] else "ext"


def changed_by_hand(price, effect):
    match effect:
        case {"add": value}:
            return price + Decimal(value)
        case {"price": value}:
            return Decimal(value)
        case {"multiply": value}:
            return price * Decimal(value)
        case {"percent": value}:
            return price + price * Decimal(value) / 100
    return price


@pytest.mark.django_db
@on_the_database
@given(made=cases())
def test_a_published_tariff_costs_what_its_words_say(made):
    town, case = made
    total = by_hand(town["tariffs"][0], case) * case["units"]
    if "extras" in case:
        total += by_hand(town["tariffs"][1], case)
    case["expect"] = str(total)
    assert Command().outcome(Case("essai", "prix", lambda: why_wrong(town, case))) is None
