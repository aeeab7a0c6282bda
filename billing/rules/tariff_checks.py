"""A tariff's grid looked at before it is used: gaps, overlaps, names that contradict their limits. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from itertools import pairwise

from billing.rules.pricing import (
    CENT,
    RANK_COLUMN,
    ZERO,
    Band,
    Between,
    Effect,
    Kind,
    NoQuotient,
    Tariff,
    lowest,
)
from portal.french.amounts import number


class Trouble(StrEnum):
    GAP = "gap"
    OVERLAP = "overlap"
    REVERSED = "reversed"
    EMPTY = "empty"
    START = "start"
    END = "end"
    MISSING = "missing"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class TariffProblem:
    """What is wrong with a grid, in French, with the exact quotients concerned."""

    trouble: Trouble
    sentence: str
    low: Decimal | None = None
    high: Decimal | None = None


def to_check(tariff: Tariff) -> list[TariffProblem]:
    """What an agent should look at in a tariff: its grid, its rates, and the columns and bands it names."""
    return [*_grid_to_check(tariff), *_names_to_check(tariff)]


def _grid_to_check(tariff: Tariff) -> list[TariffProblem]:
    if tariff.kind is Kind.BANDS:
        return problems(tariff.bands, tariff.between)
    if tariff.kind is Kind.FLAT:
        if len(tariff.bands) == 1:
            return []
        trouble = Trouble.OVERLAP if tariff.bands else Trouble.EMPTY
        return [TariffProblem(trouble, "Un prix unique a une seule ligne, sans bornes.")]
    if not tariff.rates:
        return [TariffProblem(Trouble.EMPTY, "Ce tarif n'a pas encore de taux.")]
    line = "Un tarif progressif a un plancher, un plafond, et le quotient de chacun."
    return [
        TariffProblem(Trouble.MISSING, line)
        for rate in tariff.rates
        if {rate.low, rate.high} != {None} and None in (rate.low, rate.high, rate.floor, rate.ceiling)
    ]


def _names_to_check(tariff: Tariff) -> list[TariffProblem]:
    columns = tariff.columns
    taken = [one.column for one in tariff.modifiers if one.effect is Effect.COLUMN]
    scopes = [column for one in tariff.modifiers for column in one.columns]
    found = [
        TariffProblem(Trouble.UNKNOWN, f"La grille n'a pas la colonne « {column} » d'une règle particulière.")
        for column in dict.fromkeys([*taken, *scopes])
        if columns and "" not in columns and column not in columns and not RANK_COLUMN.fullmatch(column)
    ]
    named = {band.name for band in tariff.bands}
    if tariff.no_quotient is NoQuotient.BAND and tariff.no_quotient_band not in named:
        text = f"La tranche « {tariff.no_quotient_band} », sans quotient, n'est pas dans la grille."
        found.append(TariffProblem(Trouble.UNKNOWN, text))
    return found


def problems(bands: Sequence[Band], between: Between = Between.LOWER) -> list[TariffProblem]:
    """Gaps, overlaps, reversed and missing limits or prices of a grid, in the order of the bands."""
    if not bands:
        return [TariffProblem(Trouble.EMPTY, "La grille est vide : ajoutez au moins une tranche.")]
    found = []
    ordered = sorted(bands, key=lowest)
    columns = dict.fromkeys(name for band in ordered for name in band.prices)
    for band in ordered:
        if band.low is not None and band.high is not None and band.high < band.low:
            found.append(
                TariffProblem(
                    Trouble.REVERSED,
                    f"La {band.label} finit avant de commencer.",
                    band.low,
                    band.high,
                )
            )
        for column in columns:
            if column not in band.prices:
                where = f" dans la colonne « {column} »" if column else ""
                found.append(
                    TariffProblem(
                        Trouble.MISSING,
                        f"La {band.label} n'a pas de prix{where}.",
                        band.low,
                        band.high,
                    )
                )
    first, last = ordered[0], ordered[-1]
    if first.low is not None and first.low > 0:
        found.append(
            TariffProblem(
                Trouble.START,
                f"Aucune tranche sous {number(first.low)} : ces quotients paient la {first.label}.",
                ZERO,
                first.low - CENT,
            )
        )
    neighbour = "du dessous" if between is Between.LOWER else "du dessus"
    # « de 0 à 500, de 501 à 900 »: a grid in whole euros has as many gaps as bands, and they say one thing.
    whole = [
        lower.high
        for lower, upper in pairwise(ordered)
        if lower.high is not None and _is_a_whole_euro(lower.high, upper)
    ]
    if len(whole) > 1:
        found.append(
            TariffProblem(
                Trouble.GAP,
                "Les tranches vont d'un euro entier au suivant : un quotient qui tombe entre deux, avec des"
                f" centimes, paie la tranche {neighbour}.",
                min(whole) + CENT,
                max(whole) + 1 - CENT,
            )
        )
    for lower, upper in pairwise(ordered):
        low = lowest(upper)
        if lower.high is None or low <= lower.high:
            high = upper.high if lower.high is None else lower.high
            if upper.high is not None and high is not None:
                high = min(high, upper.high)
            until = f"à {number(high)}" if high is not None else "et au-delà"
            found.append(
                TariffProblem(
                    Trouble.OVERLAP,
                    f"Deux tranches se chevauchent, de {number(max(low, ZERO))} {until} :"
                    f" la tranche {neighbour} compte.",
                    upper.low,
                    high,
                )
            )
        elif low - lower.high > CENT and not (len(whole) > 1 and lower.high in whole):
            start, end = lower.high + CENT, low - CENT
            which = f"Le quotient {number(start)} n'est" if start == end else (
                f"Les quotients de {number(start)} à {number(end)} ne sont"
            )  # fmt: skip
            pays = "il paie" if start == end else "ils paient"
            found.append(
                TariffProblem(
                    Trouble.GAP,
                    f"{which} dans aucune tranche : {pays} la tranche {neighbour}.",
                    start,
                    end,
                )
            )
    if last.high is not None:
        found.append(
            TariffProblem(
                Trouble.END,
                f"Aucune tranche au-dessus de {number(last.high)} : ces quotients paient la {last.label}.",
                last.high + CENT,
                None,
            )
        )
    return found


def _is_a_whole_euro(high: Decimal, upper: Band) -> bool:
    """Whether a band ends at an euro and the other begins at the next."""
    return high == high.to_integral_value() and lowest(upper) == high + 1
