"""What starts on a database looks first whether it is the one it was written for."""

import subprocess
import sys

from django.conf import settings
from django.core.management import get_commands, load_command_class

from portal.database import starting
from portal.database.starting import DataCommand
from tests.portal.test_settings import TOWN
from tests.processes import own_database

APPS = {"portal", "families", "catering", "leisure", "billing"}
# They make the database they work on, or bring it to this version; `health` says itself what is wrong.
MAKE_THEIR_OWN = {"demo", "health", "migrate", "replay_towns", "restore"}


def test_every_command_on_the_towns_data_looks_first():
    ours = {name: app for name, app in get_commands().items() if str(app).partition(".")[0] in APPS}
    looking = {name for name, app in ours.items() if isinstance(load_command_class(app, name), DataCommand)}
    assert set(ours) - looking == MAKE_THEIR_OWN
    assert {"nightly", "bill_month", "load_town", "db_worker"} <= looking


def test_a_server_says_why_it_does_not_serve_and_stops(tmp_path):
    with own_database(tmp_path) as address:
        done = subprocess.run(
            [sys.executable, "-m", "gunicorn", "portal.wsgi", "--bind", "127.0.0.1:0", "--no-control-socket"],
            cwd=settings.BASE_DIR,
            env=TOWN | {"PORTAL_VAR": str(tmp_path), "DATABASE_URL": address},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert done.returncode == starting.CANNOT_BE_LOADED
    # All at once: each would be found by a further try otherwise.
    assert "1. La base attend sa mise à jour" in done.stderr
    assert "2. Il manque" in done.stderr and "collectstatic --no-input" in done.stderr
    assert "Traceback" not in done.stderr
