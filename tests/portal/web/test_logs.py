"""What strangers send wrong is one line in the logs; what fails on our side keeps its traceback."""

import json
import logging

import pytest
from django.test import Client
from gunicorn.config import Config

from portal.web import logs
from portal.web.logs import WithoutPersonalData
from portal.web.server_logs import ServerLog
from tests.factories import paris

FORMATTER = WithoutPersonalData("{levelname} {name} {message}", style="{")


@pytest.fixture
def lines(caplog):
    """What the console would hold, a text a record."""
    caplog.handler.setFormatter(FORMATTER)
    for name in ("django", "django.request", "django.security"):
        logging.getLogger(name).addHandler(caplog.handler)
    yield lambda: [FORMATTER.format(record) for record in caplog.records]
    for name in ("django", "django.request", "django.security"):
        logging.getLogger(name).removeHandler(caplog.handler)


@pytest.mark.parametrize(
    ("path", "sent", "words"),
    [
        ("/connexion/", {"HTTP_HOST": "evil.example"}, "evil.example"),
        ("/connexion/", {"HTTP_HOST": "a" * 5000}, "aaaa"),
        ("/connexion/?a=%00", {}, "NUL"),
        ("/connexion/%00", {}, "NUL"),
        ("/nulle-part/%0Aforged%0Aline/", {}, "nulle-part"),
    ],
)
def test_a_forged_request_is_one_short_line(db, lines, path, sent, words):
    assert Client().get(path, **sent).status_code in (302, 400, 404)
    for line in lines():
        assert "\n" not in line and "Traceback" not in line
        assert len(line) < 400
    if "nulle-part" not in path:
        assert words in "".join(lines())


def test_a_broken_form_is_one_line(db, lines):
    sent = Client().post("/connexion/", b"--", content_type="multipart/form-data; boundary=")
    assert sent.status_code == 400
    assert lines() and not [line for line in lines() if "\n" in line]


def test_our_own_failures_keep_their_traceback():
    try:
        raise RuntimeError("ours")
    except RuntimeError as error:
        record = logging.LogRecord("django.request", logging.ERROR, "", 0, "Failed", (), None)
        record.exc_info = (type(error), error, error.__traceback__)
        record.status_code = 500
        assert "RuntimeError: ours" in FORMATTER.format(record) and "\n" in FORMATTER.format(record)
        record.exc_text = None
        record.status_code = 400
        assert FORMATTER.format(record) == "ERROR django.request Failed"


def test_one_line_is_masked_too():
    record = logging.LogRecord("django.request", logging.WARNING, "", 0, "%s", ("/roux@example.org/",), None)
    record.status_code = 404
    assert FORMATTER.format(record) == "WARNING django.request /[adresse]/"


def of(message="said", *args, level=logging.INFO, name="portal"):
    record = logging.LogRecord(name, level, __file__, 1, message, args, None)
    record.created = paris(2026, 7, 1, 12).timestamp()
    return record


def test_moments_are_of_one_zone_and_say_which(monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    assert logs.formatter("").format(of()) == "2026-07-01T12:00:00.000+02:00 INFO portal said"
    assert json.loads(logs.formatter("json").format(of()))["time"] == "2026-07-01T12:00:00.000+02:00"


def test_lines_say_for_which_request_they_are():
    token = logs.request_number.set("7K3M-9QWX")
    try:
        assert "[7K3M-9QWX] said" in logs.formatter("").format(of())
        assert json.loads(logs.formatter("json").format(of()))["request"] == "7K3M-9QWX"
    finally:
        logs.request_number.reset(token)


def test_json_is_one_line_whatever_is_in_it():
    line = logs.formatter("json").format(of("two\nlines of %s", 'jeanne@example.org "quoted"'))
    assert "\n" not in line
    assert json.loads(line)["message"] == 'two\nlines of [adresse] "quoted"'


def test_a_task_is_told_once():
    told = logs.EndsOfTasks().filter
    assert not told(of("Task id=%s path=%s state=%s", 1, "a.b", "RUNNING"))
    assert told(of("Task id=%s path=%s state=%s", 1, "a.b", "SUCCESSFUL"))
    assert told(of("Task id=%s path=%s state=%s", 1, "a.b", "RUNNING", level=logging.ERROR))


@pytest.mark.parametrize(("kind", "beginning"), [("", "20"), ("json", '{"time": "20')])
def test_gunicorn_s_lines_are_written_alike(monkeypatch, capsys, kind, beginning):
    monkeypatch.setenv("LOG_FORMAT", kind)
    before = {name: logging.getLogger(name).handlers[:] for name in ("gunicorn.error", "gunicorn.access")}
    try:
        ServerLog(Config()).error_log.error("Worker failed to boot.")
    finally:
        for name, handlers in before.items():
            logging.getLogger(name).handlers[:] = handlers
    said = capsys.readouterr().err
    assert said.startswith(beginning) and "Worker failed to boot." in said
