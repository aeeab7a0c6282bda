"""What keeps a town's portal from starting, what is only advised, and who is asked whether he answers."""

import os
import socket

import pytest
from django.core.checks import Error
from django.core.checks import Warning as Advice
from django.core.files.storage import storages
from django.db import OperationalError, connection

from portal import checks
from portal.files import private_files
from tests.fakes.s3_server import FakeS3


@pytest.fixture
def town(settings, tmp_path):
    """Settings of a town: nothing is wrong with them."""
    said = {
        "DEMO": False,
        "ALLOWED_HOSTS": ["famille.ville.test", ".quartier.test"],
        "PORTAL_URL": "https://famille.ville.test",
        "DEFAULT_FROM_EMAIL": "Ville <portail@ville.test>",
        "DATABASE_NAMED": True,
        "BEHIND_PROXY": True,
        "SECURE_SSL_REDIRECT": True,
        "TRUSTED_PROXY_COUNT": 1,
        "VAR_DIR": tmp_path,
        "EMAIL_BACKEND": "django.core.mail.backends.smtp.EmailBackend",
        "MAIL_SERVER_NAMED": True,
        "PAYMENT_PROVIDER": "",
        "CACHES": {"default": {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "c"}},
    }
    for name, value in said.items():
        setattr(settings, name, value)
    return settings


def lines(found) -> list[str]:
    """The lines that are to be written."""
    return [message.hint for message in found]


def test_nothing_is_wrong_with_a_town(town):
    assert checks.configuration(None) == checks.advice(None) == []


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("SECRET_KEY", "", "SECRET_KEY=…"),
        ("FIELD_KEYS", [], "FIELD_KEYS=…"),
        ("FIELD_KEYS", ["short"], "FIELD_KEYS=…"),
        ("ALLOWED_HOSTS", [], "ALLOWED_HOSTS=famille.ville.fr"),
        ("ALLOWED_HOSTS", ["famille.ville.test", "https://famille.ville.test"], "ALLOWED_HOSTS="),
        ("ALLOWED_HOSTS", ["famille.ville.test", "famille.ville.test:443"], "ALLOWED_HOSTS="),
        ("PORTAL_URL", "http://127.0.0.1:8000", "PORTAL_URL=https://famille.ville.test"),
        ("PORTAL_URL", "https://localhost", "PORTAL_URL=https://famille.ville.test"),
        ("PORTAL_URL", "http://famille.ville.test", "PORTAL_URL=https://famille.ville.test"),
        ("PORTAL_URL", "famille.ville.test", "PORTAL_URL=https://famille.ville.test"),
        ("PORTAL_URL", "https://famille.ville.test/portail", "PORTAL_URL=https://famille.ville.test"),
        ("PORTAL_URL", "https://famille.ville.example", "PORTAL_URL=https://famille.ville.test"),
        ("PORTAL_URL", "https://autre.test", "PORTAL_URL=https://famille.ville.test"),
        ("DEFAULT_FROM_EMAIL", "portail@example.org", "DEFAULT_FROM_EMAIL=portail@ville.fr"),
        ("DEFAULT_FROM_EMAIL", "Ville <portail@mail.example.com>", "DEFAULT_FROM_EMAIL="),
        ("DEFAULT_FROM_EMAIL", "portail@ville.example", "DEFAULT_FROM_EMAIL="),
        ("DEFAULT_FROM_EMAIL", "portail", "DEFAULT_FROM_EMAIL="),
        ("DATABASE_NAMED", False, "DATABASE_URL=postgres://"),
        ("TRUSTED_PROXY_COUNT", None, "TRUSTED_PROXY_COUNT=1"),
        ("TRUSTED_PROXY_COUNT", -1, "TRUSTED_PROXY_COUNT=1"),
        ("DEBUG", True, "PORTAL_DEBUG=0"),
        ("PRIVATE_STORAGE_URL", "s3://key@host/bucket", "Par exemple : s3://"),
    ],
)
def test_what_is_wrong_says_the_line_to_write(town, name, value, line):
    setattr(town, name, value)
    found = checks.configuration(None)
    assert found and {type(message) for message in found} == {Error}
    assert all(hint.startswith(line) for hint in lines(found)), lines(found)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORTAL_URL", "https://famille.ville.test/"),
        ("PORTAL_URL", "https://nord.quartier.test:8443"),
        ("TRUSTED_PROXY_COUNT", 0),
        ("TRUSTED_PROXY_COUNT", 2),
    ],
)
def test_what_is_right_is_let_be(town, name, value):
    setattr(town, name, value)
    assert checks.configuration(None) == []


def test_the_example_s_own_name_is_proposed_to_nobody(town):
    town.ALLOWED_HOSTS, town.PORTAL_URL = ["famille.ville.example"], "https://famille.ville.example"
    assert lines(checks.configuration(None)) == ["PORTAL_URL=https://famille.ville.fr"]


def test_without_a_proxy_nothing_is_asked_of_it(town):
    town.BEHIND_PROXY, town.TRUSTED_PROXY_COUNT = False, None
    assert checks.configuration(None) == []


def test_http_is_an_address_where_it_was_said_to_be(town):
    town.SECURE_SSL_REDIRECT, town.PORTAL_URL = False, "http://famille.ville.test"
    assert checks.configuration(None) == []


def test_a_folder_that_cannot_be_written_to_is_told(town, tmp_path):
    file = tmp_path / "file"
    file.touch()
    town.VAR_DIR = file / "var"
    assert [message.hint.partition("=")[0] for message in checks.configuration(None)] == ["PORTAL_VAR"]
    town.VAR_DIR = tmp_path / "not" / "yet" / "there"
    assert checks.configuration(None) == []


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("EMAIL_BACKEND", "django.core.mail.backends.console.EmailBackend", "EMAIL_URL="),
        ("MAIL_SERVER_NAMED", False, "EMAIL_URL="),
        ("ALLOWED_HOSTS", ["*"], "ALLOWED_HOSTS="),
        ("CACHES", {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}, "CACHE_URL="),
    ],
)
def test_what_is_seldom_meant_is_advised_and_keeps_nobody_from_starting(town, name, value, line):
    setattr(town, name, value)
    (found,) = checks.advice(None)
    assert type(found) is Advice and found.hint.startswith(line)
    assert checks.configuration(None) == []


def test_the_demo_is_asked_nothing(settings):
    settings.DEMO = True
    settings.ALLOWED_HOSTS, settings.DATABASE_NAMED = [], False
    assert checks.configuration(None) == checks.advice(None) == []
    assert checks.surroundings(None, databases=["default"]) == []


def test_root_in_anothers_folder_is_warned(town, monkeypatch, tmp_path):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert checks.somebody_else(None) == [] or tmp_path.stat().st_uid != 0
    monkeypatch.setattr(
        checks.Path, "stat", lambda self, **how: os.stat_result((0o40700, 0, 0, 0, 4242, *[0] * 5))
    )
    (found,) = checks.somebody_else(None)
    assert "« 4242 »" in found.msg


# Who answers --------------------------------------------------------------------------------------------


def test_a_mail_server_that_does_not_answer_is_told(town):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        town.EMAIL_HOST, town.EMAIL_PORT = listening.getsockname()[:2]
        assert checks.surroundings(None, databases=["default"]) == []
    (found,) = checks.surroundings(None, databases=["default"])
    assert found.id == "portal.W005" and type(found) is Advice
    assert checks.surroundings(None) == [], "`check --deploy` alone looks at nothing but settings."


def test_a_database_that_does_not_answer_is_told_to_who_installs(town, monkeypatch):
    def absent():
        raise OperationalError("connection refused")

    monkeypatch.setattr(connection, "ensure_connection", absent)
    (found,) = checks.database_answers(None, databases=["default"])
    assert "connection refused" in found.msg and found.hint.startswith("DATABASE_URL=")
    assert checks.database_answers(None) == []


@pytest.mark.once
@pytest.mark.parametrize(
    ("key", "bucket", "said"),
    [
        ("KEY", "familles", []),
        ("KEY", "famille", ["il n'y a pas de compartiment (bucket) « famille »"]),
        ("OTHER", "familles", ["refuse de montrer le compartiment « familles » (AccessDenied)"]),
    ],
)
def test_a_wrong_bucket_or_key_of_it_keeps_from_starting(town, unencrypted, key, bucket, said, monkeypatch):
    town.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    with FakeS3("KEY").running() as fake:
        fake.buckets = {"familles"}
        host = fake.url.removeprefix("http://")
        kept(town, f"s3+http://{key}:secret@{host}/{bucket}?region=fr-par", monkeypatch)
        found = checks.surroundings(None, databases=["default"])
    assert {type(message) for message in found} <= {Error}
    assert len(found) == len(said) and all(
        one in message.msg for one, message in zip(said, found, strict=True)
    )


@pytest.mark.once
def test_a_store_that_does_not_answer_is_told_and_waited_for(town, unencrypted, monkeypatch):
    town.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    kept(town, f"s3+http://KEY:secret@127.0.0.1:{port}/familles?region=fr-par", monkeypatch)
    (found,) = checks.surroundings(None, databases=["default"])
    assert found.id == "portal.W006" and type(found) is Advice


@pytest.fixture
def unencrypted(monkeypatch):
    """The store of the tests speaks without encryption, which a town's may not."""
    monkeypatch.setattr(checks, "private_storage", lambda configs: [])


def kept(town, url: str, patch: pytest.MonkeyPatch) -> None:
    """Private files lie there; a change of STORAGES would part the models' stores from the portal's."""
    town.PRIVATE_STORAGE_URL = url
    there = storages.create_storage(private_files.storage(url, town.PRIVATE_ROOT))
    patch.setitem(storages._storages, "private", there)
    assert "S3" in type(storages["private"]).__name__
