"""How many oversights a child has, and what they allow somebody to decide. Pure: values in, value out.

Nothing is decided here, nor by any night: from so many oversights on, an agent may.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from portal.french.plurals import agreed, counted


class Kind(StrEnum):
    """What counts as an oversight of a day."""

    UNRESERVED = "unreserved"
    MISSED = "missed"
    LATE = "late"


WORDS = {
    Kind.UNRESERVED: "présent sans réservation",
    Kind.MISSED: "absent sans prévenir",
    Kind.LATE: "réservé hors délai",
}
# After « un jour où votre enfant… ».
CLAUSES = {
    Kind.UNRESERVED: "est venu sans réservation",
    Kind.MISSED: "n'est pas venu, sans prévenir",
    Kind.LATE: "a été réservé hors délai",
}


class Per(StrEnum):
    """Within what they are counted."""

    MONTH = "month"
    YEAR = "year"


class Stops(StrEnum):
    """What a decision stops. Days that are booked stand in any case."""

    LATE = "late"
    DAYS = "days"


@dataclass(frozen=True)
class Rule:
    """From `number` days with an oversight on, within a month or a school year, somebody may decide."""

    number: int
    per: Per = Per.YEAR
    kinds: frozenset[Kind] = frozenset(Kind)


def since(rule: Rule, today: date, year_starts: Collection[date] = ()) -> date:
    """From which day on oversights count that bear on today: the first of the month, or the last of
    `year_starts` that was reached, or 1 September."""
    if rule.per is Per.MONTH:
        return today.replace(day=1)
    reached = [start for start in year_starts if start <= today]
    return max(reached) if reached else date(today.year - (today.month < 9), 9, 1)


def days_of(
    found: Iterable[tuple[date, Kind]], rule: Rule, first: date, today: date
) -> dict[date, list[Kind]]:
    """The days that count, in order, each once, with all that was forgotten of it."""
    by_day: dict[date, set[Kind]] = {}
    for day, kind in found:
        if kind in rule.kinds and first <= day <= today:
            by_day.setdefault(day, set()).add(kind)
    return {day: [kind for kind in Kind if kind in by_day[day]] for day in sorted(by_day)}


def may_decide(rule: Rule, count: int) -> bool:
    return count >= rule.number


def refusal(rule: Rule, count: int) -> str:
    """Why nobody may decide yet, in French; empty where one may."""
    if may_decide(rule, count):
        return ""
    have = counted(count, "oubli", "oublis") if count else "aucun oubli"
    wanted = counted(rule.number, "oubli", "oublis")
    return f"Une décision est possible à partir de {wanted} : {have} {span(rule)}."


def warning(rule: Rule, count: int, activity: str) -> str:
    """What the family reads from the last oversight before on; nothing until then."""
    if not count or count < rule.number - 1:
        return ""
    said = f"{counted(count, 'oubli', 'oublis')} {span(rule)} à « {activity} »"
    may = "la mairie peut décider de ne plus accepter de jours hors délai, ou de nouveaux jours"
    if may_decide(rule, count):
        return f"{said} : {may}."
    return f"{said} : à partir de {rule.number}, {may}."


def span(rule: Rule) -> str:
    return "ce mois-ci" if rule.per is Per.MONTH else "cette année scolaire"


def in_words(rule: Rule) -> list[str]:
    """The rule as a family reads it."""
    kinds = [CLAUSES[kind] for kind in Kind if kind in rule.kinds]
    when = "dans le mois" if rule.per is Per.MONTH else "dans l'année scolaire"
    days = agreed(rule.number, "jour", "jours")
    return [
        f"Compte comme un oubli un jour où votre enfant {', ou '.join(kinds)}.",
        f"À partir de {rule.number} {days} d'oubli {when}, la mairie peut décider de ne plus accepter"
        " de jours hors délai, ou de nouveaux jours, jusqu'à une date. Rien n'est automatique, et les"
        " jours réservés restent.",
    ]


def listed(days: Mapping[date, Collection[Kind]]) -> list[tuple[date, str]]:
    """Each day, and what was forgotten of it."""
    return [(day, ", ".join(WORDS[kind] for kind in kinds)) for day, kinds in days.items()]
