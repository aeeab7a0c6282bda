"""`make bench`: every measure in one run, printed and written to var/bench.json.

A bench is a function in BENCHES that returns measures (see `engine.measure`): name, value, unit, reference
and ratio, where a ratio beyond 1 is worse than promised. Times are never told in seconds but as how often
something bare fits in, which the same run measured (`engine.over`, `yardsticks.py`, `floor.py`), so that a
slow machine fails nothing; queries, weights and memory are absolute. It may fill the database, which is made
for the run: an SQLite file, or beside DATABASE_URL's a test database of the same server. Names given as
arguments run alone. Fails when a promise is not held.
"""

import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import django


def _prepare(scratch: str) -> None:
    os.environ |= {"PORTAL_DEMO": "1", "PORTAL_VAR": scratch, "DJANGO_SETTINGS_MODULE": "portal.settings"}
    django.setup()


def main(names: list[str]) -> int:
    with tempfile.TemporaryDirectory() as scratch:
        _prepare(scratch)

        from django.conf import settings
        from django.core.management import call_command
        from django.db import connection

        from tests.bench import (
            billing,
            books,
            deadlines,
            desk,
            engine,
            finding,
            imports,
            leisure,
            login,
            pages,
            payments,
        )
        from tests.bench.rush import small

        benches: dict[str, Callable[[], list[engine.Measure]]] = {
            "pages": pages.run,
            "login": login.run,
            "cutoffs": deadlines.run,
            "engine": engine.run,
            "leisure": leisure.run,
            "payments": payments.run,
            "billing": billing.run,
            "books": books.run,
            "finding": finding.run,
            "imports": imports.run,
            "desk": desk.run,
            "rush": lambda: small.run(Path(scratch), migrated),
        }
        settings.ALLOWED_HOSTS.append("testserver")
        on_server = connection.vendor != "sqlite"
        if on_server:
            before = connection.settings_dict["NAME"]
            connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
        else:
            call_command("migrate", verbosity=0)
        migrated = small.keep(connection) if "rush" in (names or benches) else ""
        call_command("createcachetable", verbosity=0)
        call_command("collectstatic", verbosity=0, interactive=False)
        try:
            measures = [found for name in names or benches for found in benches[name]()]
        finally:
            small.forget(migrated)
            if on_server:
                connection.creation.destroy_test_db(before, verbosity=0)
    _report(measures, connection.vendor)
    return int(any(found["ratio"] > 1 for found in measures))


def _report(measures: list[dict[str, object]], database: str) -> None:
    written = Path("var/bench.json")
    written.parent.mkdir(exist_ok=True)
    written.write_text(json.dumps(measures, indent=1) + "\n")
    print(f"Measured on {database}, written to {written}")
    for found in measures:
        mark = "✗" if found["ratio"] > 1 else "✓"
        print("{} {name:26} {value:>10} {unit:8} of {reference:>8}  × {ratio}".format(mark, **found))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
