"""Outside the demo no process works with settings that are not a town's: all is said at once, in French."""

import pytest
from django.conf import settings as of_process
from django.db import OperationalError

from portal import launching
from portal.database import starting, versions
from tests.portal.test_settings import run


def test_an_empty_environment_is_told_all_it_lacks_at_once(tmp_path):
    done = run("manage.py", "shell", "-c", "print('worked')", tmp_path=tmp_path)
    assert done.returncode == starting.CANNOT_BE_LOADED
    assert done.stdout == "" and "Traceback" not in done.stderr
    lines = [line.partition("À écrire : ")[2] for line in done.stderr.splitlines() if "À écrire" in line]
    assert [line.partition("=")[0] for line in lines] == [
        *("SECRET_KEY", "FIELD_KEYS", "ALLOWED_HOSTS", "PORTAL_URL", "DEFAULT_FROM_EMAIL", "DATABASE_URL"),
        "TRUSTED_PROXY_COUNT",
    ]


@pytest.mark.parametrize("demo", ["", "1"])
def test_what_cannot_be_read_is_named_with_the_line_to_write_and_never_repeated(tmp_path, demo):
    written = {
        "PORTAL_DEMO": demo,
        "DATABASE_URL": "postgre://portail:clair92@base/portail",
        "CACHE_URL": "redi://:clair92@cache",
        "EMAIL_URL": "smt://clair92@mail",
        "TRUSTED_PROXY_COUNT": "un",
        "WAITING_ROOM": "peut-être",
    }
    done = run("manage.py", "check", tmp_path=tmp_path, **written)
    assert done.returncode == starting.CANNOT_BE_LOADED
    assert "Traceback" not in done.stderr and "clair92" not in done.stderr
    for name in (*list(written)[1:4], "TRUSTED_PROXY_COUNT", "WAITING_ROOM"):
        assert f"{name} ne se lit pas." in done.stderr and f"À écrire : {name}=" in done.stderr


def test_a_server_that_comes_before_its_database_starts(monkeypatch, caplog):
    def absent(connection):
        raise OperationalError("connection refused")

    monkeypatch.setattr(versions, "hindrance", absent)
    launching.serve_or_leave()
    assert "The database does not answer" in caplog.text


@pytest.mark.django_db
def test_a_server_without_files_or_cache_table_says_which_commands_make_them(
    settings, tmp_path, capsys, monkeypatch
):
    settings.DEMO = False
    monkeypatch.setattr(of_process, "STATIC_ROOT", tmp_path)  # told to nobody: stores stay those of models
    settings.CACHES = {
        "default": {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "attempts"}
    }
    with pytest.raises(SystemExit) as left:
        launching.serve_or_leave()
    assert left.value.code == starting.CANNOT_BE_LOADED
    said = capsys.readouterr().err
    assert "« attempts » : lancez « manage.py createcachetable »" in said
    assert "lancez « manage.py collectstatic --no-input »" in said
    assert "À écrire" not in said and "portail.env" not in said
    (tmp_path / "staticfiles.json").write_text("{}")
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    launching.serve_or_leave()
