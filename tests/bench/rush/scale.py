"""How many cores a town needs, from what a rush found: pure. docs/scale.md explains each assumption."""

from collections.abc import Mapping
from dataclasses import dataclass

# Of the inhabitants, households with a child at school and a login; of these, who comes when a period opens,
# and within how many minutes all of them are to be served. The line holds them meanwhile.
HOMES, COMING, MINUTES = 0.065, 0.6, 15
# No processor is busy all the time without a queue before it.
BUSY = 0.7
TOWNS = (3_000, 60_000, 2_000_000)


@dataclass(frozen=True, slots=True)
class Need:
    """Of a town: `families` that come, how many a second are served, cores for web and for PostgreSQL (not
    rounded)."""

    inhabitants: int
    families: int
    a_second: float
    web: float
    postgres: float


def need(inhabitants: int, *, web_ms: float, postgres_ms: float) -> Need:
    """For a family's errand that costs so many milliseconds of processor."""
    families = round(inhabitants * HOMES * COMING)
    a_second = families / (MINUTES * 60)
    web, postgres = (a_second * cost / 1000 / BUSY for cost in (web_ms, postgres_ms))
    return Need(inhabitants, families, round(a_second, 2), round(web, 2), round(postgres, 2))


def needs(cost: Mapping[str, float | None]) -> list[Need]:
    """Of three towns, from a run's `cost`; none where PostgreSQL was not measured."""
    web, postgres = cost["web_ms"], cost["postgres_ms"]
    if web is None or postgres is None:
        return []
    return [need(one, web_ms=web, postgres_ms=postgres) for one in TOWNS]
