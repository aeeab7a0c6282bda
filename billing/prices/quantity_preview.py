"""What an agent sees of rules by number before a tariff is saved: what a family would pay on given days."""

from collections.abc import Hashable, Iterator
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

from billing.models import Tariff
from billing.rules import pricing, quantities
from billing.rules.quantities import Kind, Quantity, Span, Taken
from portal.desk import previews
from portal.desk.previews import Preview, Table
from portal.french.amounts import euros, number
from portal.french.plurals import counted

SHOWN = 4  # quotients, or prices a page would be too wide for


def quotients(tariff: pricing.Tariff) -> list[Decimal | None]:
    """Those at which a price begins, as many as a page has room for; None: of who has no proof."""
    found: list[Decimal | None] = [
        Decimal(0) if band.low is None else band.low
        for band in tariff.bands
        if band.low is not None or band.high is not None
    ]
    return found[:SHOWN] or [None]


def named(quotient: Decimal | None) -> str:
    return "sans quotient" if quotient is None else f"quotient {number(quotient)}"


class _Written:
    """The prices of one family under a tariff."""

    def __init__(self, tariff: pricing.Tariff, facts: pricing.Facts) -> None:
        self._tariff, self._facts = tariff, facts

    def in_column(self, key: Hashable, column: str) -> Decimal:
        facts = replace(self._facts, column=column, final_column=bool(column))
        return pricing.price(self._tariff, facts).amount

    def whole(self, key: Hashable, column: str) -> Decimal:
        return self.in_column(key, column)


def preview(row: Tariff, monday: date) -> Preview | None:
    """Of a tariff as it stands in the database, perhaps for this moment only; None: no rule by number."""
    rules = [one.rule() for one in row.quantities.all()]
    if not rules:
        return None
    tariff = row.rule()
    shown = quotients(tariff)
    written = [_Written(tariff, pricing.Facts(quotient=one)) for one in shown]
    by_day = not any(rule.kind is Kind.PACKAGE for rule in rules)
    found = Preview([quantities.in_words(rule) for rule in rules])
    try:
        cases = [
            previews.row(what, *(_total(rules, taken, prices, by_day=by_day) for prices in written))
            for what, taken in _cases(rules, monday)
        ]
    except pricing.NoPrice as refusal:
        found.warnings.append(str(refusal))
    else:
        caption = "Ce que paierait une famille selon le nombre, absences et suppléments à part"
        found.tables.append(Table(caption, ("Pris", *(named(one) for one in shown)), cases))
    return found


def _cases(rules: list[Quantity], monday: date) -> Iterator[tuple[str, list[Taken]]]:
    """Days of one child, from one on to one more than the highest number; then those of several children."""
    in_a_week = all(rule.span in (Span.WEEK, Span.DAY) for rule in rules)
    days = [day for day in (monday + timedelta(days=place) for place in range(28)) if day.weekday() < 5]
    first = days[0].replace(day=1) if not in_a_week else days[0]
    spread = [day for day in (first + timedelta(days=place) for place in range(28)) if day.weekday() < 5]
    highest = max((rule.number for rule in rules if rule.kind is not Kind.SIBLINGS), default=1)
    numbers = range(1, 6) if in_a_week else sorted({1, 2, *range(max(highest - 1, 1), highest + 2), 8, 20})
    for many in numbers:
        where = "dans la semaine" if in_a_week else "dans le mois"
        yield f"{counted(many, 'jour', 'jours')} {where}", [_taken(day) for day in spread[:many]]
    if any(rule.kind is Kind.ONE for rule in rules):
        yield "2 formules le même jour", [_taken(first), _taken(first, formula=2)]
    if any(rule.together for rule in rules):
        most = max((rule.number for rule in rules if rule.kind is Kind.SIBLINGS), default=2)
        for many in range(2, most + 2):
            yield f"{many} enfants le même jour", [_taken(first, child=one) for one in range(1, many + 1)]


def _taken(day: date, child: int = 1, formula: int = 1) -> Taken:
    return Taken((day, child, formula), child, formula, day, Decimal(0))


def _total(rules: list[Quantity], taken: list[Taken], prices: _Written, *, by_day: bool) -> tuple[str, str]:
    own = prices.in_column(None, "") if by_day else Decimal("0.00")
    priced = [replace(one, amount=own) for one in taken]
    found = quantities.effects(rules, priced, prices)
    total = sum((one.amount for one in [*priced]), Decimal(0)) + sum(
        (one.amount for one in found), Decimal(0)
    )
    said = dict.fromkeys(text for one in found for text in one.said)
    return euros(total), " ; ".join(said)
