"""`make rush`: fills a town, lets its families come all at once, and writes var/rush.json.

The database stands beside that of DATABASE_URL (postgres://postgres@localhost/postgres where nothing is said)
and is dropped afterwards; with `--keep` the filled town stays for the next run. Ends with 1 where something
happened that may not happen on any machine: an error, a place over, a family overtaken in the line.
"""

import argparse
import os
import signal
import sys
import tempfile
from pathlib import Path
from types import FrameType

import django


def main(arguments: list[str]) -> int:
    options = _options(arguments)
    signal.signal(signal.SIGTERM, _leave)
    with tempfile.TemporaryDirectory(prefix="rush-") as scratch:
        os.environ |= {"PORTAL_DEMO": "1", "PORTAL_VAR": scratch, "DJANGO_SETTINGS_MODULE": "portal.settings"}
        os.environ.setdefault("DATABASE_URL", "postgres://postgres@localhost/postgres")
        django.setup()

        from tests.bench.rush import report, running

        runs = []
        with running.town(options.families, Path(scratch), kept=options.keep) as town:
            for workers in options.workers:
                found = running.rush(
                    town,
                    seconds=options.seconds,
                    workers=workers,
                    threads=options.threads,
                    servers=options.servers,
                    thinking=options.thinking,
                    redis=options.redis,
                    with_files=options.files,
                )
                runs.append(found)
                print(report.table(found), flush=True)
                report.write(runs, options.into)
        if len(runs) > 1:
            print(report.growth(runs))
        print(f"\nWritten to {options.into}")
        return int(any(report.faults(run) for run in runs))


def _leave(number: int, frame: FrameType | None) -> None:
    """Asked to stop: what was started ends, and the databases go, as after Ctrl-C."""
    sys.exit(128 + number)


def _options(arguments: list[str]) -> argparse.Namespace:
    read = argparse.ArgumentParser(prog="make rush", description=__doc__)
    read.add_argument("--families", type=int, default=2500)
    read.add_argument("--seconds", type=float, default=300, help="within which all arrive")
    read.add_argument("--small", action="store_true", help="300 families in 40 s")
    read.add_argument("--workers", type=int, nargs="+", default=[3], help="one rush for each number")
    read.add_argument("--threads", type=int, default=4)
    read.add_argument("--servers", type=int, default=1, help="several stand behind nginx, and want --redis")
    read.add_argument("--thinking", type=float, default=1.0, help="seconds before each act, on average")
    read.add_argument(
        "--redis", default="", help="1 for a redis-server of its own, or an address for CACHE_URL"
    )
    read.add_argument("--files", action="store_true", help="each browser asks for styles and scripts, too")
    read.add_argument("--keep", action="store_true", help="keep the filled town for the next run")
    read.add_argument("--into", type=Path, default=Path("var/rush.json"))
    found = read.parse_args(arguments)
    if found.small:
        found.families, found.seconds = 300, 40.0
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
