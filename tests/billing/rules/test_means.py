"""What a means may pay of an invoice's lines."""

from collections import defaultdict, deque
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.rules.means import BUILT_IN, Line, Means, Use, part, payable, room

D = Decimal
MEALS, LEISURE, CAMPS = 1, 2, 3
CASH = BUILT_IN["cash"]


def voucher(code, *uses):
    return Means(code=code, label=code, order=1, limited=True, uses=uses)


CESU = voucher("cesu", Use(LEISURE))
LINES = [Line(MEALS, 10, D("12.80")), Line(LEISURE, 20, D("9.00"))]


def test_cesu_pays_the_nine_euros_of_leisure_and_no_meal():
    assert room(CESU, LINES, {}) == D("9.00")
    assert room(CESU, LINES, {CESU: D("4.00")}) == D("5.00")
    assert payable([CASH], LINES) == D("21.80")


def test_two_vouchers_share_what_both_may_pay():
    holidays = voucher("ancv", Use(LEISURE), Use(CAMPS))
    assert room(holidays, LINES, {CESU: D("6.00")}) == D("3.00")
    camps = [*LINES, Line(CAMPS, 30, D("50.00"))]
    assert room(holidays, camps, {CESU: D("9.00")}) == D("50.00")
    # Those fifty are the camp's then, though the other could have paid the nine.
    assert room(CESU, camps, {holidays: D("50.00")}) == D("9.00")
    assert room(CESU, camps, {holidays: D("52.00")}) == D("7.00")


def test_a_formula_and_an_age_limit_it_further():
    small = voucher("cesu", Use(LEISURE, 20, under_age=6))
    assert part(small, Line(LEISURE, 20, D("9.00"), (5, 5, 6))) == D("6.00")
    assert part(small, Line(LEISURE, 21, D("9.00"), (5,))) == 0
    assert part(small, Line(LEISURE, 20, D("10.00"), (5, 5, 6))) == D("6.66")
    assert part(small, Line(LEISURE, 20, D("9.00"))) == 0  # nobody knows how old


def test_what_a_line_takes_back_is_taken_off():
    assert room(CESU, [*LINES, Line(LEISURE, 20, D("-4.00"))], {}) == D("5.00")
    assert room(CESU, [*LINES, Line(LEISURE, 20, D("-40.00"))], {}) == 0


def test_what_was_credited_may_be_of_the_lines_that_it_pays():
    assert room(CESU, LINES, {}, credited=D("2.00")) == D("7.00")


@pytest.mark.parametrize("code", ["cesu", "cesu_e", "ancv", "ancv_c", "caf"])
def test_vouchers_pay_nothing_until_the_town_says_what(code):
    assert BUILT_IN[code].limited and room(BUILT_IN[code], LINES, {}) == 0


def test_a_small_town_has_three_means_at_its_desk():
    assert [one.label for one in BUILT_IN.values() if one.at_desk] == [
        "Espèces", "Chèque", "Carte bancaire au guichet",
    ]  # fmt: skip


def fits(lines, spent):
    """Whether what each means pays (cents) can be laid on lines that it may pay: by augmenting paths."""
    free = defaultdict(int)
    for means, cents in spent.items():
        free["from", means] = cents
        for place, line in enumerate(lines):
            free[means, place] = 10**9 if part(means, line) > 0 else 0
    for place, line in enumerate(lines):
        free[place, "to"] = int(100 * line.amount)
    nodes = ["from", *spent, *range(len(lines)), "to"]
    flow = 0
    while True:
        before, queue = {"from": None}, deque(["from"])
        while queue and "to" not in before:
            one = queue.popleft()
            for other in nodes:
                if other not in before and free[one, other] > 0:
                    before[other] = one
                    queue.append(other)
        if "to" not in before:
            return flow == sum(spent.values())
        way, node = [], "to"
        while before[node] is not None:
            way.append((before[node], node))
            node = before[node]
        least = min(free[step] for step in way)
        for one, other in way:
            free[one, other] -= least
            free[other, one] += least
        flow += least


ACTIVITIES = st.sampled_from([MEALS, LEISURE, CAMPS])
SOME_LINES = st.lists(
    st.builds(lambda activity, cents: Line(activity, 1, D(cents) / 100), ACTIVITIES, st.integers(1, 5000)),
    min_size=1,
    max_size=5,
)
VOUCHERS = st.lists(st.sets(ACTIVITIES), min_size=1, max_size=3).map(
    lambda sets: [voucher(f"v{n}", *map(Use, sorted(one))) for n, one in enumerate(sets)]
)


@given(SOME_LINES, VOUCHERS, st.lists(st.tuples(st.integers(0, 2), st.integers(1, 6000)), max_size=8))
def test_in_any_order_no_means_ever_pays_what_it_may_not_and_each_gets_all_it_may(lines, vouchers, payments):
    spent = dict.fromkeys(vouchers, D(0))
    for which, cents in payments:
        means = vouchers[which % len(vouchers)]
        most = room(means, lines, spent)
        spent[means] += min(D(cents) / 100, most)
        in_cents = {one: int(100 * amount) for one, amount in spent.items()}
        assert fits(lines, in_cents)
        if D(cents) / 100 > most:
            assert not fits(lines, in_cents | {means: in_cents[means] + 1})
