"""Bars on one axis of numbers, drawn without a script: where each bar, line and word goes. Pure.

    draw(groups, series, said=euros, axis=…) -> Chart

The template `admin/charts/drawing.html` writes it; `css/admin-charts.css` tells its bars apart by pattern.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import zip_longest

ZERO = Decimal(0)
# The drawing's own units; the page gives it the width it has.
WIDTH, HEIGHT = 960, 380
LEFT, RIGHT, TOP, BOTTOM = 84, 8, 14, 52
STEPS = (Decimal(1), Decimal(2), Decimal("2.5"), Decimal(5), Decimal(10))
LINES = 5  # at most that many steps above zero
FILLED = Decimal("0.78")  # the part of a group's width that its bars take


@dataclass(frozen=True)
class Group:
    """Bars that stand together: `name` in full, `short` under the axis, `beneath` a second line from here on;
    a value for each series, None where there is none."""

    name: str
    short: str
    values: Sequence[Decimal | int | None]
    beneath: str = ""


@dataclass(frozen=True)
class Bar:
    """A rectangle; `kind` is its series, `title` what it says in words."""

    kind: str
    x: str
    y: str
    width: str
    height: str
    title: str


@dataclass(frozen=True)
class Mark:
    """A word of an axis; on the axis of amounts, also a line across at `y`."""

    x: str
    y: str
    text: str
    zero: bool = False


@dataclass(frozen=True)
class Chart:
    """All that the template writes; `years` stand under the months they begin at."""

    bars: tuple[Bar, ...]
    amounts: tuple[Mark, ...]
    months: tuple[Mark, ...]
    years: tuple[Mark, ...]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT


def step(lowest: Decimal, highest: Decimal) -> Decimal:
    """The distance of two lines of the axis, in round numbers, so that LINES of them hold what is shown."""
    span = max(highest - lowest, Decimal(1))
    power = Decimal(1)
    while True:
        for factor in STEPS:
            if factor * power * LINES >= span:
                return factor * power
        power *= 10


def draw(
    groups: Sequence[Group],
    series: Sequence[tuple[str, str]],
    *,
    said: Callable[[Decimal], str],
    axis: Callable[[Decimal], str],
) -> Chart:
    """A bar for each of `series` (its kind, its word) in each group; the axis goes below zero where a value
    does. `said` writes a value in words, `axis` beside a line."""
    values = [Decimal(one) for group in groups for one in group.values if one is not None]
    lowest, highest = min([ZERO, *values]), max([ZERO, *values])
    each = step(lowest, highest)
    bottom = (lowest / each).to_integral_value(rounding="ROUND_FLOOR") * each
    top = max((highest / each).to_integral_value(rounding="ROUND_CEILING") * each, bottom + each)
    height = Decimal(HEIGHT - TOP - BOTTOM)

    def down(amount: Decimal) -> Decimal:
        return TOP + (top - amount) / (top - bottom) * height

    wide = Decimal(WIDTH - LEFT - RIGHT) / max(len(groups), 1)
    bar = wide * FILLED / max(len(series), 1)
    bars, names, years = [], [], []
    for rank, group in enumerate(groups):
        start = LEFT + wide * rank + wide * (1 - FILLED) / 2
        for place, ((kind, word), value) in enumerate(zip(series, group.values, strict=True)):
            if value:
                amount = Decimal(value)
                upper, lower = down(max(amount, ZERO)), down(min(amount, ZERO))
                title = f"{group.name}, {word} : {said(amount)}"
                bars.append(Bar(kind, _n(start + bar * place), _n(upper), _n(bar), _n(lower - upper), title))
        middle = LEFT + wide * (rank + Decimal("0.5"))
        names.append(Mark(_n(middle), _n(HEIGHT - BOTTOM + 20), group.short))
        if group.beneath:
            years.append(Mark(_n(LEFT + wide * rank + 4), _n(HEIGHT - BOTTOM + 42), group.beneath))
    # A first year of one month only would stand under the next one's name.
    years = [one for one, after in zip_longest(years, years[1:]) if not after or _far(one, after)]
    amounts, amount = [], bottom
    while amount <= top:
        amounts.append(Mark(_n(LEFT - 8), _n(down(amount)), axis(amount), zero=not amount))
        amount += each
    return Chart(tuple(bars), tuple(amounts), tuple(names), tuple(years))


def _far(one: Mark, other: Mark) -> bool:
    return Decimal(other.x) - Decimal(one.x) >= 44


def _n(value: Decimal | int) -> str:
    """A coordinate to a hundredth, with a point whatever the language."""
    return f"{value:.2f}".rstrip("0").rstrip(".")
