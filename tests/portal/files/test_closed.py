"""On the machine's disk, what the portal keeps is its own user's."""

import os
import sqlite3
from pathlib import Path

import pytest
from django.apps import apps
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.core.management import call_command
from django.db import connection
from django.db.models import FileField

from families import documents
from portal.files import closed, modes, private_files
from portal.files.uploads import PrivateStorage
from tests.processes import environment, run


@pytest.fixture(autouse=True)
def careless():
    """A machine where files are made open to everybody."""
    before = os.umask(0)
    yield
    os.umask(before)


def opened(root):
    """What others may read under it, itself included."""
    return sorted(
        str(path.relative_to(root.parent))
        for path in [root, *root.rglob("*")]
        if path.lstat().st_mode & 0o077
    )


def mode(path):
    return oct(path.stat().st_mode & 0o777)


@pytest.fixture
def store(tmp_path, monkeypatch):
    """Private files as a town's machine keeps them."""
    made = PrivateStorage(**private_files.storage("", tmp_path / "private")["OPTIONS"])
    usual = storages["private"]
    for name in ("base_location", "location", "_file_permissions_mode", "_directory_permissions_mode"):
        if name.startswith("_"):
            assert usual.__dict__[name] == made.__dict__[name], "the portal's own store is made so"
        else:
            monkeypatch.setitem(usual.__dict__, name, str(tmp_path / "private"))
    return usual


def test_a_file_that_is_kept_is_closed_and_so_are_its_folders(store, books, tmp_path):
    kept = documents.keep(
        books.household, ContentFile(b"%PDF-1.4", name="caf.pdf"), "application/pdf", by=None
    )
    store.save("factures/2026/11/F2026-1.pdf", ContentFile(b"%PDF-1.4"))
    assert opened(tmp_path / "private") == []
    path = Path(kept.file.path)
    assert [mode(each) for each in (path, path.parent, tmp_path / "private")] == ["0o600", "0o700", "0o700"]


def test_every_writer_of_private_files_goes_through_the_store():
    """So that one place says how they are closed."""
    found = {
        field: field.storage is storages["private"]
        for model in apps.get_models()
        for field in model._meta.local_concrete_fields
        if isinstance(field, FileField)
    }
    assert {str(field) for field, private in found.items() if not private} == {"portal.Town.crest"}
    assert len(found) > 3


def test_what_lies_open_is_closed_once(tmp_path, settings):
    settings.PRIVATE_ROOT, settings.VAR_DIR = tmp_path / "private", tmp_path
    folder = tmp_path / "private" / "factures" / "2026"
    folder.mkdir(parents=True)
    (folder / "F2026-1.pdf").write_bytes(b"%PDF")
    (tmp_path / "field_key").write_text("x")
    outside = tmp_path / "outside"
    outside.write_text("not ours")
    (folder / "link").symlink_to(outside)
    assert closed.close(connection) == 5
    assert opened(tmp_path / "private") == ["private/factures/2026/link"]  # a link has no mode of its own
    assert mode(tmp_path / "field_key") == "0o600"
    assert mode(outside) == "0o666", "what a link leads to is somebody else's"
    assert closed.close(connection) == 0


def test_nothing_to_close_is_no_trouble(tmp_path, settings):
    settings.PRIVATE_ROOT, settings.VAR_DIR = tmp_path / "none", tmp_path
    assert closed.close(connection) == 0


def test_a_folder_that_is_there_keeps_its_mode(tmp_path):
    shared = tmp_path / "shared"
    shared.mkdir(mode=0o750)
    modes.make_private(shared)
    modes.make_private(tmp_path / "a" / "var")
    assert (mode(shared), mode(tmp_path / "a" / "var")) == ("0o750", "0o700")


def test_each_night_says_what_it_closed(db, tmp_path, settings, capsys):
    settings.PRIVATE_ROOT, settings.VAR_DIR = tmp_path / "private", tmp_path
    (tmp_path / "private").mkdir(mode=0o755)
    call_command("nightly")
    assert "1 fichier(s) ou dossier(s) fermé(s)" in capsys.readouterr().out
    assert mode(tmp_path / "private") == "0o700"


def test_migrate_makes_a_database_of_sqlite_nobody_else_can_read(tmp_path):
    var = tmp_path / "var"
    env = environment(f"sqlite:///{var}/portal.sqlite3", var)
    (var / "private").mkdir(parents=True)
    (var / "private" / "old.pdf").write_bytes(b"%PDF")
    run("manage.py", "migrate", "families", "-v0", env=env)
    files = {path.name: mode(path) for path in var.rglob("*")}
    assert files["portal.sqlite3"] == files["old.pdf"] == "0o600"
    assert files["private"] == "0o700"
    with sqlite3.connect(var / "portal.sqlite3") as database:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("CREATE TABLE probe (id)")
        database.commit()
        assert {mode(path) for path in var.glob("portal.sqlite3*")} == {"0o600"}
    database.close()
