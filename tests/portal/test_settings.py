"""Production starts only with what it needs, and is strict without being asked."""

import json
import logging
import os
import subprocess
import sys

import pytest
from django.conf import settings

from portal.database.starting import CANNOT_BE_LOADED
from portal.web.logs import WithoutPersonalData, formatter

SECRET_KEY = "abcdefghijklmnopqrstuvwxyz-0123456789-ABCDEFGHIJKLMNOPQRST"
FIELD_KEYS = "ABCDEFGHIJKLMNOPQRST-9876543210-abcdefghijklmnopqrstuvwxyz"
KEYS = {"SECRET_KEY": SECRET_KEY, "FIELD_KEYS": FIELD_KEYS}
# All that a town's portal must be told before it starts.
TOWN = KEYS | {
    "ALLOWED_HOSTS": "portail.example.org",
    "PORTAL_URL": "https://portail.example.org",
    "DEFAULT_FROM_EMAIL": "Ville <portail@ville.test>",
    "DATABASE_URL": "sqlite://:memory:",
    "EMAIL_URL": "smtp://localhost:25",
    "TRUSTED_PROXY_COUNT": "1",
}


def run(*command, tmp_path, **environment):
    """A process of its own with only this environment, as a server has it."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return subprocess.run(
        [sys.executable, *command],
        cwd=settings.BASE_DIR,
        env=kept | {"PORTAL_VAR": str(tmp_path), "DJANGO_SETTINGS_MODULE": "portal.settings"} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def settings_of(*names, tmp_path, **environment):
    code = (
        "import json; from django.conf import settings;"
        f"print(json.dumps({{name: getattr(settings, name, None) for name in {names!r}}}))"
    )
    done = run("-c", code, tmp_path=tmp_path, **environment)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_production_makes_up_no_key(tmp_path):
    done = run(
        "manage.py", "check", tmp_path=tmp_path, **TOWN | {"SECRET_KEY": "", "FIELD_KEYS": "too-short"}
    )
    assert done.returncode == CANNOT_BE_LOADED
    assert "SECRET_KEY n'est pas donnée" in done.stderr
    assert "FIELD_KEYS : chaque clé a 40 caractères ou plus" in done.stderr
    assert "Traceback" not in done.stderr and "too-short" not in done.stderr
    assert not list(tmp_path.iterdir())


def test_keys_that_were_replaced_are_read_from_the_environment(tmp_path):
    replaced = {"SECRET_KEY_FALLBACKS": "old-1,old-2", "FIELD_KEYS": f"{FIELD_KEYS},{SECRET_KEY}"}
    found = settings_of(
        *("SECRET_KEY_FALLBACKS", "FIELD_KEYS"), tmp_path=tmp_path, **{"SECRET_KEY": SECRET_KEY} | replaced
    )
    assert found == {"SECRET_KEY_FALLBACKS": ["old-1", "old-2"], "FIELD_KEYS": [FIELD_KEYS, SECRET_KEY]}


def check_deploy(tmp_path, **environment):
    return run(
        *("-W", "error", "manage.py", "check", "--deploy", "--fail-level", "WARNING"),
        tmp_path=tmp_path,
        **TOWN | environment,
    )


@pytest.mark.parametrize("said", [{"TRUSTED_PROXY_COUNT": "0"}, {"BEHIND_PROXY": "0"}])
def test_production_passes_djangos_own_check_without_a_warning(tmp_path, said):
    done = check_deploy(tmp_path, **said)
    assert (done.returncode, done.stderr) == (0, "")
    assert "no issues (0 silenced)" in done.stdout


def test_the_commands_that_we_print_say_it():
    for name in ("README.md", "Makefile"):
        assert "TRUSTED_PROXY_COUNT=" in (settings.BASE_DIR / name).read_text(encoding="utf-8")


def test_production_is_strict_without_being_asked(tmp_path):
    names = (
        "DEBUG",
        "SESSION_COOKIE_SECURE",
        "CSRF_COOKIE_SECURE",
        "SECURE_SSL_REDIRECT",
        "SECURE_HSTS_SECONDS",
    )
    found = settings_of(*names, "ALLOWED_HOSTS", "EMAIL_BACKEND", tmp_path=tmp_path, **KEYS)
    assert found == {
        "DEBUG": False,
        "SESSION_COOKIE_SECURE": True,
        "CSRF_COOKIE_SECURE": True,
        "SECURE_SSL_REDIRECT": True,
        "SECURE_HSTS_SECONDS": 31_536_000,
        "ALLOWED_HOSTS": [],
        "EMAIL_BACKEND": "django.core.mail.backends.smtp.EmailBackend",
    }


def test_cookies_of_production_are_the_hosts_own(tmp_path):
    names = ("SESSION_COOKIE_NAME", "CSRF_COOKIE_NAME", "MESSAGE_STORAGE", "SESSION_COOKIE_DOMAIN")
    found = settings_of(*names, tmp_path=tmp_path, **KEYS)
    assert found == {
        "SESSION_COOKIE_NAME": "__Host-session",
        "CSRF_COOKIE_NAME": "__Host-csrf",
        "MESSAGE_STORAGE": "portal.web.host_messages.HostFallbackStorage",
        "SESSION_COOKIE_DOMAIN": None,
    }
    # Over plain HTTP a browser would refuse them.
    demo = settings_of(*names, tmp_path=tmp_path, PORTAL_DEMO="1")
    assert not [name for name in demo.values() if name and name.startswith("__Host-")]


@pytest.mark.parametrize(
    ("given", "demanded"), [({}, True), ({"PORTAL_DEMO": "1"}, False), ({"STAFF_SECOND_FACTOR": "0"}, False)]
)
def test_production_demands_a_second_factor_of_staff(tmp_path, given, demanded):
    found = settings_of("STAFF_SECOND_FACTOR", "ASK_AGAIN", tmp_path=tmp_path, **KEYS | given)
    assert found == {"STAFF_SECOND_FACTOR": demanded, "ASK_AGAIN": demanded}


def test_the_demo_makes_its_keys_once_and_keeps_them_private(tmp_path):
    var = tmp_path / "var"
    names = ("SECRET_KEY", "FIELD_KEYS", "DEBUG")
    first = settings_of(*names, tmp_path=var, PORTAL_DEMO="1")
    assert first == settings_of(*names, tmp_path=var, PORTAL_DEMO="1")
    assert len(first["SECRET_KEY"]) > 50
    assert [len(key) > 50 for key in first["FIELD_KEYS"]] == [True]
    assert first["DEBUG"] is False
    made = {path.name: oct(path.stat().st_mode & 0o777) for path in [var, *var.iterdir()]}
    assert made == {"var": "0o700", "secret_key": "0o600", "field_key": "0o600"}


def test_private_files_lie_under_no_public_folder():
    public = [settings.MEDIA_ROOT, settings.STATIC_ROOT]
    assert not any(settings.PRIVATE_ROOT.is_relative_to(root) for root in public)


@pytest.mark.parametrize(
    ("said", "written"),
    [
        ("no mailbox jeanne.martin@example.org here", "no mailbox [adresse] here"),
        ("called 06 12 34 56 78 twice", "called [téléphone] twice"),
        ("called +33612345678 twice", "called [téléphone] twice"),
        ("DETAIL:  Key (last_name)=(Martin) already exists.", "DETAIL: [valeurs]"),
        ("Not Found: /confirmer-mon-adresse/MTI:1abc/", "Not Found: /confirmer-mon-adresse/[lien]/"),
        ("Not Found: /mot-de-passe-oublie/2-c9xyz/", "Not Found: /mot-de-passe-oublie/[lien]/"),
        ("reservation 2026-000123 of 2026-11-23", "reservation 2026-000123 of 2026-11-23"),
    ],
)
def test_logs_name_nobody(said, written):
    record = logging.LogRecord("portal", logging.WARNING, __file__, 1, said, None, None)
    assert WithoutPersonalData("{message}", style="{").format(record) == written


def test_a_traceback_in_the_logs_names_nobody():
    try:
        raise ValueError("jeanne.martin@example.org")
    except ValueError:
        record = logging.LogRecord("portal", logging.ERROR, __file__, 1, "Failed", None, sys.exc_info())
    text = WithoutPersonalData("{message}", style="{").format(record)
    assert "ValueError: [adresse]" in text
    assert "jeanne" not in text


@pytest.mark.parametrize("kind", ["", "json"])
def test_every_log_handler_masks(kind):
    formatters = settings.LOGGING["formatters"]
    handlers = settings.LOGGING["handlers"].values()
    assert {formatters[handler["formatter"]]["()"] for handler in handlers} == {"portal.web.logs.formatter"}
    assert isinstance(formatter(kind), WithoutPersonalData)


def test_sessions_and_counters_lie_in_redis_where_one_is_named_under_the_portals_own_name(tmp_path):
    asked = {"tmp_path": tmp_path, "PORTAL_DEMO": "1"}
    names = ("SESSION_ENGINE", "CACHES")
    plain = settings_of(*names, **asked)
    assert plain["SESSION_ENGINE"] == "portal.web.table_sessions"
    for said, prefix in (
        ({"PORTAL_URL": "https://portail.ville.example"}, "portail.ville.example"),
        ({"DATABASE_URL": "postgres://db/village"}, "village"),
        ({"PORTAL_URL": "https://portail.ville.example", "CACHE_PREFIX": "essai"}, "essai"),
    ):
        found = settings_of(*names, CACHE_URL="redis://localhost:6379/0", **said, **asked)
        assert found["SESSION_ENGINE"] == "portal.web.redis_sessions"
        assert found["CACHES"]["default"]["BACKEND"] == "portal.web.redis_cache.RedisCache"
        assert found["CACHES"]["default"]["KEY_PREFIX"] == prefix
