"""Portals of released versions, on SQLite and, where DATABASE_URL names a server, on PostgreSQL."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.core.management import call_command
from django.db import connection, transaction
from django.db.migrations.loader import MigrationLoader

from tests.processes import own_database
from tests.upgrade import releases
from tests.upgrade.portals import portal_at
from tests.upgrade.releases import Release

ADDRESS = os.environ.get("DATABASE_URL", "")
# The server for each kind of database.
SERVERS = {"sqlite": ""} | ({"postgresql": ADDRESS} if ADDRESS.startswith("postgres") else {})


@pytest.fixture(scope="session")
def django_db_setup() -> None:
    """The suite's own database is not needed here."""


@pytest.fixture(scope="session", autouse=True)
def nobody_stays() -> None:
    """Nor is anybody sent away from it."""


@contextmanager
def at_home(release: Release, address: str, folder: Path) -> Iterator[None]:
    """In a released version's portal, on the day on which its town stands still."""
    with portal_at(address, folder), time_machine.travel(release.at, tick=False):
        yield


@pytest.fixture(scope="session", params=SERVERS)
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="session", params=releases.releases(), ids=lambda release: release.version)
def migrated(
    request: pytest.FixtureRequest,
    kind: str,
    tmp_path_factory: pytest.TempPathFactory,
    django_db_blocker: Any,
) -> Iterator[tuple[Release, str, Path]]:
    """Each released version, with the address and the folder where it was brought to today's schema."""
    release, folder = request.param, tmp_path_factory.mktemp(kind)
    with own_database(folder, server=SERVERS[kind], called=f"from_{release.version}") as address:
        release.restore(address, folder)
        with django_db_blocker.unblock(), at_home(release, address, folder):
            call_command("migrate", verbosity=0)
        yield release, address, folder


@pytest.fixture
def upgraded(migrated: tuple[Release, str, Path], django_db_blocker: Any) -> Iterator[Release]:
    """Each released version's portal, which runs today's code. The tests share it, and leave it whole."""
    with django_db_blocker.unblock(), at_home(*migrated):
        yield migrated[0]


@pytest.fixture
def last_release(kind: str, tmp_path: Path, django_db_blocker: Any) -> Iterator[Release]:
    """The portal of the last version as it was left, a test's own: what a new migration meets first."""
    with as_left(releases.releases()[-1], kind, tmp_path, django_db_blocker) as release:
        yield release


@pytest.fixture
def left_by_0_2_0(kind: str, tmp_path: Path, django_db_blocker: Any) -> Iterator[Release]:
    """That of version 0.2.0, whose rows the migrations of 0.3.0 change."""
    (release,) = (one for one in releases.releases() if one.version == "0.2.0")
    with as_left(release, kind, tmp_path, django_db_blocker) as found:
        yield found


@contextmanager
def as_left(release: Release, kind: str, folder: Path, django_db_blocker: Any) -> Iterator[Release]:
    with own_database(folder, server=SERVERS[kind], called="last_release") as address:
        release.restore(address, folder)
        with django_db_blocker.unblock(), at_home(release, address, folder):
            yield release


@contextmanager
def undone() -> Iterator[None]:
    """What is done in it is done for that time only: the next test finds nothing of it."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def migrate_to(app: str, name: str) -> Any:
    """Migrates as far as a migration needs, itself included; the models as they are then (`get_model`)."""
    call_command("migrate", app, name, verbosity=0)
    return MigrationLoader(connection).project_state((app, name)).apps
