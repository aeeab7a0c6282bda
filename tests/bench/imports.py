"""A file of 10 000 rows, checked and written as the worker does: households, adults, children, classes,
quotients.

The worker's work runs by itself: `python -m tests.bench.imports KEY` does it on the database of DATABASE_URL
and says what it took as JSON.
"""

import json
import os
import subprocess
import sys
import time
from datetime import timedelta

import django

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    django.setup()

from django.db import connection
from django.utils import timezone

from families.imports import running
from families.models import Child, FileImport
from tests import ROOT
from tests.bench import yardsticks
from tests.bench.billing import address, peak
from tests.bench.engine import Measure, measure, over
from tests.factories import SchoolClassFactory, SchoolFactory, SchoolYearFactory, TownFactory, UserFactory

ROWS, OF_A_FAMILY = 10_000, 2
CLASSES = 40
TITLES = (
    "Famille Identifiant;ID Enfant;Nom enfant;Prénom enfant;Né(e) le;Classe;Nom responsable;"
    "Prénom responsable;Courriel;Portable;Adresse;CP;Commune;QF"
)


def lines(rows: int) -> str:
    """Two children a family, each with a name of its own."""
    today = timezone.localdate()
    said = [TITLES]
    for number in range(rows):
        home = number // OF_A_FAMILY
        born = today - timedelta(days=4 * 365 + number % 2000)
        name = f"Famille{_letters(home)}"
        said.append(
            f"{home};{number};{name};Enfant{_letters(number)};{born:%d/%m/%Y};Classe {number % CLASSES};"
            f"{name};Camille;camille{home}@exemple.fr;06{home:08d};{home} rue du Moulin;01999;Ville;"
            f"{home % 2000},50"
        )
    return "\n".join(said)


def _letters(number: int) -> str:
    return "".join(chr(97 + int(digit)) for digit in str(number))


def received(rows: int = ROWS) -> FileImport:
    """Brought and matched by somebody with every right."""
    TownFactory()
    year = SchoolYearFactory(
        name="Imports", starts_on=timezone.localdate(), ends_on=timezone.localdate() + timedelta(days=300)
    )
    school = SchoolFactory(name="École des imports")
    for number in range(CLASSES):
        SchoolClassFactory(school=school, school_year=year, name=f"Classe {number}")
    by, at = UserFactory(username="imports", is_staff=True, is_superuser=True), timezone.now()
    file = running.receive(lines(rows).encode(), name="ville.csv", source="Mesure", by=by, at=at)
    columns = {int(place): key for place, key in file.columns.items()}
    return running.match(file, columns, source="Mesure", options={"schooling-year": str(year.pk)}, at=at)


def work(key: int) -> dict[str, float]:
    """The dry run, then the run; the most memory held."""
    file = FileImport.objects.get(pk=key)
    running.ask_check(file)
    begun = time.perf_counter()
    running.check(key, at=timezone.now())
    checked = time.perf_counter() - begun
    file.refresh_from_db()
    if file.by is None or running.why_not(file):
        raise SystemExit(f"not checked: {file.counts} {file.trouble}")
    running.ask_run(file, by=file.by)
    begun = time.perf_counter()
    running.run(key, at=timezone.now())
    written = time.perf_counter() - begun
    file.refresh_from_db()
    bare = yardsticks.seconds_to_read(Child.objects.count() * 6)
    return {"checked": checked, "written": written, "memory": peak(), "bare": bare, "new": file.counts["new"]}


def run() -> list[Measure]:
    if connection.vendor != "postgresql":
        return []
    file = received()
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.imports", str(file.pk)],
        cwd=ROOT,
        env=os.environ | {"DATABASE_URL": address()},
        capture_output=True,
        check=True,
        text=True,
    )
    job = json.loads(done.stdout)
    assert job["new"] == ROWS, job
    return [
        over("import_10000_check_over_reading", job["checked"], job["bare"], 200),
        over("import_10000_write_over_reading", job["written"], job["bare"], 400),
        measure("import_10000_memory", job["memory"], "MB", 400),
    ]


if __name__ == "__main__":
    sys.stdout.write(json.dumps(work(int(sys.argv[1]))) + "\n")
