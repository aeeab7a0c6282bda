"""Real processes on the same places at the same moment, on whatever database the suite runs on."""

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from django.conf import settings

from tests.reservations.race import FAMILIES, PLACES

# One group for every race of the suite: two at once need more connections than a server usually grants.
pytestmark = pytest.mark.xdist_group("race")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("race")


@pytest.fixture(scope="module")
def empty_database(folder: Path) -> Iterator[str]:
    """The address of a database of the same kind as the suite's, gone after the test."""
    if "sqlite3" in settings.DATABASES["default"]["ENGINE"]:
        yield f"sqlite:///{folder / 'race.sqlite3'}"
        return
    here = urlsplit(os.environ["DATABASE_URL"])
    name = f"race_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(here._replace(path="/postgres").geturl(), autocommit=True) as server:
        server.execute(f'CREATE DATABASE "{name}"')
        try:
            yield here._replace(path=f"/{name}").geturl()
        finally:
            server.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture(scope="module")
def race(empty_database: str, folder: Path) -> dict[str, Any]:
    """Runs race.py in a process of its own, since it forks many, and returns what came of it."""
    environment = os.environ | {
        "DATABASE_URL": empty_database,
        "DJANGO_SETTINGS_MODULE": "portal.settings",
        "PORTAL_DEMO": "1",
        "PORTAL_VAR": str(folder),
    }
    done = subprocess.run(
        [sys.executable, "-m", "tests.reservations.race"],
        cwd=settings.BASE_DIR,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def test_the_last_places_go_to_as_many_families_and_the_others_wait(race):
    found = race["last_places"]
    assert found["errors"] == []
    assert (found["accepted"], found["waiting"]) == (PLACES, FAMILIES - PLACES)
    assert found["taken"] == [PLACES] * 3
    assert found["letters"] == FAMILIES
    # Those who got a place all give it up at once: as many of those who wait come in, first come first.
    assert (found["cancelled"], found["promoted_in_order"]) == (PLACES, True)
    assert found["taken_after"] == [PLACES] * 3


def test_the_morning_and_the_whole_day_share_the_same_places(race):
    found = race["shared_places"]
    assert found["errors"] == []
    assert found["mornings"] + found["days"] == PLACES
    assert found["waiting"] == FAMILIES - PLACES
    assert found["taken"] == {"morning": PLACES, "noon": found["days"], "afternoon": found["days"]}


def test_crossing_paths_neither_lock_up_nor_count_wrong(race):
    found = race["crossing"]
    assert found["errors"] == []
    assert found["bookings"] > 100
