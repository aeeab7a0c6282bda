"""The rush that is part of the bench: 300 families in 40 s, on PostgreSQL only."""

import os
from pathlib import Path
from statistics import median
from typing import Any

import psycopg
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg import sql

from tests.bench import yardsticks
from tests.bench.billing import address, cores
from tests.bench.engine import Measure, measure, over
from tests.bench.rush import figures, report, running

FAMILIES, SECONDS = 300, 40.0
WORKERS = 3
HASHES = 15
# Processor of an errand's web part, beside the hash of one password: all pages together.
HASHES_AN_ERRAND = 8


def keep(connection: BaseDatabaseWrapper) -> str:
    """The address of a copy of the bench's database as `migrate` left it, for the rush to begin with; empty
    where it is no server's."""
    if connection.vendor != "postgresql":
        return ""
    here = address()
    connections.close_all()
    name = f"{connection.settings_dict['NAME']}_migrated"
    with psycopg.connect(_server(), autocommit=True) as there:
        there.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(name)))
        there.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
                sql.Identifier(name), sql.Identifier(connection.settings_dict["NAME"])
            )
        )
    return f"{here.rpartition('/')[0]}/{name}"


def forget(migrated: str) -> None:
    if migrated:
        with psycopg.connect(_server(), autocommit=True) as there:
            name = sql.Identifier(migrated.rpartition("/")[2])
            there.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name))


def _server() -> str:
    before, _, _ = os.environ["DATABASE_URL"].partition("?")
    return f"{before.rpartition('/')[0]}/postgres"


def run(folder: Path, migrated: str) -> list[Measure]:
    """Errors, places over, the line's order; what a family costs beside the hash of a password."""
    if not migrated:
        return []
    with running.town(FAMILIES, folder, migrated=migrated) as town:
        found = running.rush(town, seconds=SECONDS, workers=WORKERS)
    print(report.table(found))
    return measures(found)


def measures(found: dict[str, Any]) -> list[Measure]:
    faults = report.faults(found)
    check = yardsticks.password_check()
    check()
    hashed = median(yardsticks.processor(check) for _ in range(HASHES))
    cost = found["cost"]
    # What the machine could serve if it did nothing else: with fewer, the line has grown.
    busy = (cost["web_ms"] + (cost["postgres_ms"] or 0)) / 1000 * found["families"] / cores()
    return [
        measure("rush_faults", len(faults), "faults", 1) | {"ratio": 2.0 * bool(faults), "faults": faults},
        over("rush_family_over_hash", cost["web_ms"] / 1000, hashed, HASHES_AN_ERRAND),
        over("rush_served_over_processor", found["all_served_after"], max(SECONDS, busy), 2),
        measure("rush_memory", cost["memory_heaviest"], "MB", 120),
        measure("rush_requests", found["requests_a_family"], "requests", len(figures.WALK) + 2),
    ]
