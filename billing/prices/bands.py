"""Presences by band of the family's quotient, for the statistics, in the bands of the formula's tariff."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.db.models import Count, F, Q

from billing.models import FormulaTariff, Tariff
from billing.prices.books import FactsBook
from billing.rules import pricing
from portal.reservations.models import MonthlyFigure
from portal.reservations.statistics import counting, figures
from portal.reservations.statistics.counting import Month, Number

NO_QUOTIENT = "Sans quotient"
# Comes after every other.
LAST = 1_000_000
# Of a town that has no grid: prices by a rate, or one price for all.
USUAL = tuple(
    pricing.Band(None if not low else Decimal(low), None if high is None else Decimal(high), {})
    for low, high in ((0, 399), (400, 799), (800, 1199), (1200, 1599), (1600, None))
)


@dataclass(frozen=True)
class Grid:
    """Bands in their order, and what a quotient between two of them pays."""

    bands: Sequence[pricing.Band]
    between: pricing.Between

    def of(self, quotient: Decimal | None) -> tuple[str, int]:
        """The name of the quotient's band, and its order."""
        if quotient is None:
            return NO_QUOTIENT, LAST
        band = self.bands[pricing.find_band(self.bands, quotient, self.between)]
        label = band.label
        return label[0].upper() + label[1:], int(band.low or 0)


def by_band(month: Month) -> Iterator[Number]:
    """By place and activity, and of all places together: a child counts once in each. A home's quotient is
    the one that counts on the last day of the month."""
    rows = list(
        figures.bookings(month)
        # Nothing is known any more of the quotient of who was erased.
        .filter(household__erased_at=None)
        .values_list("establishment", "activity", "formula", "household", "child")
        .annotate(days=Count("pk"))
    )
    households = {household for *_, household, _child, _days in rows}
    facts = FactsBook.load(households, month.last, month.last, asks=())
    quotients = {household: facts.quotient(household, month.last) for household in households}
    grids = _grids(month, {formula for _, _, formula, *_ in rows})
    days: dict[tuple[int | None, int, str, int], int] = defaultdict(int)
    children: dict[tuple[int | None, int, str, int], set[int]] = defaultdict(set)
    for place, activity, formula, household, child, number in rows:
        band = grids[formula].of(quotients[household])
        for where in (place, None):
            days[where, activity, *band] += number
            children[where, activity, *band].add(child)
    for (where, activity, name, order), number in days.items():
        yield Number(
            MonthlyFigure.Kind.BANDS,
            number,
            len(children[where, activity, name, order]),
            establishment=where,
            activity=activity,
            what=name,
            step=order,
        )


def _grids(month: Month, formulas: Iterable[int]) -> dict[int, Grid]:
    """The grid of each formula: its ordinary tariff's, else the one that most formulas go by."""
    formulas = set(formulas)
    links = list(
        FormulaTariff.objects.filter(formula__in=formulas, situation="", supplement=False)
        .filter(Q(tariff__valid_from=None) | Q(tariff__valid_from__lte=month.last))
        .filter(Q(tariff__valid_to=None) | Q(tariff__valid_to__gte=month.last))
        .order_by(F("public").asc(nulls_first=True), "audience", "level", "rank", "children", "pk")
        .values_list("formula", "tariff")
    )
    tariffs = Tariff.objects.filter(pk__in={tariff for _, tariff in links}).with_rules()
    grids = {
        one.pk: Grid(sorted(rule.bands, key=pricing.lowest), rule.between)
        for one in tariffs
        if len((rule := one.rule()).bands) > 1
    }
    found: dict[int, Grid] = {}
    used: dict[int, int] = defaultdict(int)
    for formula, tariff in links:
        if tariff in grids:
            found.setdefault(formula, grids[tariff])
            used[tariff] += 1
    usual = grids[max(used, key=lambda one: used[one])] if used else Grid(USUAL, pricing.Between.LOWER)
    return {formula: found.get(formula, usual) for formula in formulas}


def register_all() -> None:
    counting.register("tranches", by_band)
