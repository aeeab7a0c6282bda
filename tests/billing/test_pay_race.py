"""Eight processes send the same notifications at once: each payment is credited exactly once."""

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from django.conf import settings

# The group of every race: see tests/reservations/test_race.py.
pytestmark = pytest.mark.xdist_group("race")
NOTIFICATIONS, PROCESSES = 48, 8


@pytest.fixture
def empty_database(tmp_path: Path) -> Iterator[str]:
    """The address of a database of the same kind as the suite's, gone after the test."""
    if "sqlite3" in settings.DATABASES["default"]["ENGINE"]:
        yield f"sqlite:///{tmp_path / 'race.sqlite3'}"
        return
    here = urlsplit(os.environ["DATABASE_URL"])
    name = f"race_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(here._replace(path="/postgres").geturl(), autocommit=True) as server:
        server.execute(f'CREATE DATABASE "{name}"')
        try:
            yield here._replace(path=f"/{name}").geturl()
        finally:
            server.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def test_eight_at_once_credit_each_payment_once(empty_database, tmp_path):
    environment = os.environ | {
        "DATABASE_URL": empty_database,
        "DJANGO_SETTINGS_MODULE": "portal.settings",
        "PORTAL_DEMO": "1",
        "PORTAL_VAR": str(tmp_path),
    }
    done = subprocess.run(
        [sys.executable, "-m", "tests.billing.payment_race", str(NOTIFICATIONS), str(PROCESSES)],
        cwd=settings.BASE_DIR,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout)
    paid = NOTIFICATIONS // 2
    assert found.pop("seconds") > 0
    assert found == {
        "states": ["validated"],
        "payments": paid,
        "online": paid,
        "same_amount": True,
        "left": 0,
        "allocated": paid * 1000,
        "events": paid,
        "gapless": True,
        "after_repeating": paid,
    }
