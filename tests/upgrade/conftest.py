"""Portals of released versions, on SQLite and, where DATABASE_URL names a server, on PostgreSQL."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.core.management import call_command
from django.db import connection, transaction
from django.db.migrations.loader import MigrationLoader

from portal.database import versions
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


@pytest.fixture(scope="session")
def brought(
    kind: str, tmp_path_factory: pytest.TempPathFactory, django_db_blocker: Any
) -> Iterator[Callable[[Release], tuple[str, Path]]]:
    """`brought(release)`: the address and the folder where it was brought to today's schema, once for all."""
    found: dict[Release, tuple[str, Path]] = {}
    with ExitStack() as kept:

        def bring(release: Release) -> tuple[str, Path]:
            if release not in found:
                folder = tmp_path_factory.mktemp(kind)
                address = kept.enter_context(
                    own_database(folder, server=SERVERS[kind], called=f"from_{release.version}")
                )
                release.restore(address, folder)
                with django_db_blocker.unblock(), at_home(release, address, folder):
                    call_command("migrate", verbosity=0)
                found[release] = address, folder
            return found[release]

        yield bring


def walked_by_the_gate(release: Release, kind: str) -> bool:
    """The gate brings the oldest release to today and the last one before this version, which a new migration
    meets both; `make test-long` the others, whose migrations and data are as fixed as theirs. The oldest has
    the whole way to go, minutes: where there are two databases, on PostgreSQL, which towns run."""
    found = releases.releases()
    before = [one for one in found if one.version != versions.version()]
    if release == found[0]:
        return kind == list(SERVERS)[-1]
    return release == before[-1]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        params = item.callspec.params if hasattr(item, "callspec") else {}
        if "upgraded" in params and not walked_by_the_gate(params["upgraded"], params["kind"]):
            item.add_marker(pytest.mark.long)


@pytest.fixture(params=releases.releases(), ids=lambda release: release.version)
def upgraded(
    request: pytest.FixtureRequest,
    brought: Callable[[Release], tuple[str, Path]],
    django_db_blocker: Any,
) -> Iterator[Release]:
    """Each released version's portal, which runs today's code. The tests share it, and leave it whole."""
    release = request.param
    with django_db_blocker.unblock(), at_home(release, *brought(release)):
        yield release


@pytest.fixture
def last_upgraded(
    kind: str, brought: Callable[[Release], tuple[str, Path]], tmp_path: Path, django_db_blocker: Any
) -> Iterator[Release]:
    """The portal of the last version, which runs today's code, a test's own: what the next version meets."""
    release = releases.releases()[-1]
    address, folder = brought(release)
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True, ignore=shutil.ignore_patterns("own.sqlite3*"))
    with (
        own_database(tmp_path, copied_from=address, server=SERVERS[kind], called="last_upgraded") as own,
        django_db_blocker.unblock(),
        at_home(release, own, tmp_path),
    ):
        yield release


@pytest.fixture
def last_release(kind: str, tmp_path: Path, django_db_blocker: Any) -> Iterator[Release]:
    """The portal of the last version as it was left, a test's own: what a new migration meets first."""
    last = releases.releases()[-1].version
    with walking(last, kind, tmp_path) as at_home, django_db_blocker.unblock(), at_home() as release:
        yield release


@pytest.fixture
def left_by_0_2_0(kind: str, tmp_path: Path, django_db_blocker: Any) -> Iterator[Release]:
    """The portal of version 0.2.0 as it was left, a test's own."""
    with walking("0.2.0", kind, tmp_path) as at_home, django_db_blocker.unblock(), at_home() as release:
        yield release


@contextmanager
def walking(version: str, kind: str, folder: Path) -> Iterator[Callable[[], AbstractContextManager[Release]]]:
    """The portal of a version as it was left: `with at_home() as release:` stands in it, as often as one
    likes.

    A module's tests share one walk to today's schema: its fixture writes what each of them asks about,
    stops where they look (`migrate_to`), and goes on.
    """
    (release,) = (one for one in releases.releases() if one.version == version)
    with own_database(folder, server=SERVERS[kind], called=f"left_by_{version}") as address:
        release.restore(address, folder)

        @contextmanager
        def enter() -> Iterator[Release]:
            with at_home(release, address, folder):
                yield release

        yield enter


@contextmanager
def undone() -> Iterator[None]:
    """What is done in it is done for that time only: the next test finds nothing of it."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def migrate_to(app: str, name: str) -> Any:
    """Migrates as far as a migration needs, itself included; the models as they are then (`get_model`)."""
    call_command("migrate", app, name, verbosity=0)
    return models_at(app, name)


def models_at(app: str, name: str) -> Any:
    """The models as that migration leaves them, for a portal that is no further."""
    return MigrationLoader(connection).project_state((app, name)).apps
