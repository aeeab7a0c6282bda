"""What strangers send wrong is one line in the logs; what fails on our side keeps its traceback."""

import logging

import pytest
from django.test import Client

from portal.web.logs import WithoutPersonalData

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
