"""What a child costs that is collected after closing time. Pure: values in, value out; no clock."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, time
from decimal import Decimal
from enum import StrEnum

from billing.rules.absences import hour, year_start
from portal.french.amounts import euros
from portal.french.plurals import agreed, counted

QUARTER = 15
ZERO = Decimal(0)


class Span(StrEnum):
    """Within what the late evenings of a child are counted."""

    MONTH = "month"
    YEAR = "year"


@dataclass(frozen=True)
class LateRule:
    """`quarter` euros for each quarter of an hour begun after `closes_at`; where there is a `flat` price, it
    is due instead of the quarters after `flat_after` (None: after closing). Who leaves within `tolerance`
    minutes of closing is not late. The first late evenings of a `span` cost nothing before the `from_nth`."""

    closes_at: time
    quarter: Decimal | None = None
    flat: Decimal | None = None
    flat_after: time | None = None
    tolerance: int = 0
    from_nth: int = 1
    span: Span = Span.YEAR


@dataclass(frozen=True)
class Late:
    """A late evening: how many minutes after closing, which one of its span, what it costs and why."""

    minutes: int
    number: int
    amount: Decimal
    words: str

    @property
    def is_warning(self) -> bool:
        return self.amount == 0


def late(rule: LateRule, left_at: time, before: int = 0) -> Late | None:
    """What leaving at `left_at` (local time of the same day) costs, `before` late evenings having come before
    in the same span; None for who is not late."""
    minutes = _minutes(left_at) - _minutes(rule.closes_at)
    if minutes <= rule.tolerance:
        return None
    number = before + 1
    said = f"Départ à {hour(left_at)}, {counted(minutes, 'minute', 'minutes')} après la fermeture"
    said += f" ({hour(rule.closes_at)})"
    if number < rule.from_nth:
        return Late(minutes, number, ZERO, f"{said} : {_forgiven(rule, number)}")
    amount, why = _price(rule, left_at, minutes)
    return Late(minutes, number, amount, f"{said} : {why}")


def span_start(rule: LateRule, day: date, year_starts: Collection[date] = ()) -> date:
    """Since when the late evenings count that a day's number rests on."""
    return day.replace(day=1) if rule.span is Span.MONTH else year_start(year_starts, day)


def _price(rule: LateRule, left_at: time, minutes: int) -> tuple[Decimal, str]:
    if rule.flat is not None and left_at > (rule.flat_after or rule.closes_at):
        after = f"après {hour(rule.flat_after)}, " if rule.flat_after else ""
        return rule.flat, f"{after}forfait de {euros(rule.flat)}"
    if rule.quarter is None:  # before the hour of the flat price
        return ZERO, "rien n'est facturé"
    begun = -(-minutes // QUARTER)
    what = counted(begun, "quart d'heure commencé", "quarts d'heure commencés")
    return begun * rule.quarter, f"{what} à {euros(rule.quarter)}"


def _forgiven(rule: LateRule, number: int) -> str:
    """« 1er retard de l'année, rien n'est facturé ; à partir du 3e, chaque retard le sera »."""
    of = "du mois" if rule.span is Span.MONTH else "de l'année"
    return (
        f"{_nth(number)} retard {of}, rien n'est facturé ; à partir du {_nth(rule.from_nth)}, "
        "chaque retard le sera"
    )


def _nth(number: int) -> str:
    return f"{number}{'er' if number == 1 else 'e'}"


def in_words(rule: LateRule) -> list[str]:
    """The rule as a family reads it."""
    said = [f"Fermeture à {hour(rule.closes_at)}."]
    if rule.tolerance:
        said.append(f"Jusqu'à {counted(rule.tolerance, 'minute', 'minutes')} après, rien n'est compté.")
    if rule.quarter is not None:
        said.append(f"Ensuite, {euros(rule.quarter)} par quart d'heure commencé.")
    if rule.flat is not None:
        after = rule.flat_after or rule.closes_at
        instead = " à la place" if rule.quarter is not None else ""
        said.append(f"Après {hour(after)}, un forfait de {euros(rule.flat)}{instead}.")
    if rule.from_nth > 1:
        of = "du mois" if rule.span is Span.MONTH else "de l'année scolaire"
        free = rule.from_nth - 1
        first = agreed(free, f"Le premier retard {of} n'est", f"Les {free} premiers retards {of} ne sont")
        said.append(f"{first} pas {agreed(free, 'facturé', 'facturés')}.")
    return said


def _minutes(at: time) -> int:
    return at.hour * 60 + at.minute
