"""A town's Sentry is told what broke, and nothing of anybody."""

import json
import os
import subprocess
import sys

from django.conf import settings

SENT_BY_ONE = """
import json, os, sys
import django
django.setup()
import logging
import sentry_sdk
from django.core.handlers.wsgi import WSGIHandler
from django.test import RequestFactory
import portal.urls
def broken(*args, **named):
    name = "Jeanne Martin"
    logging.getLogger("portal.x").error("before: %s", "jeanne@example.org")
    raise ValueError("jeanne.martin@example.org of " + str(len(name)))
import portal.town_time
portal.town_time._zone_or_default = broken
asks = RequestFactory(headers={"Cookie": "secret=1", "User-Agent": "Jeanne's phone"})
asked = asks.post("/connexion/?nom=Martin", {"login": "jeanne", "password": "hunter2-hunter2"})
said = {}
answer = WSGIHandler()(asked.environ, lambda status, headers: said.update(headers, status=status[:3]))
print(json.dumps({"events": SENT, "number": said["X-Request-ID"], "status": said["status"]}))
"""
KEEPS = """
SENT = []
import sentry_sdk.transport
class Keeps(sentry_sdk.transport.Transport):
    def capture_envelope(self, envelope):
        SENT.extend(item.payload.json for item in envelope.items)
import portal.web.error_reports as reports
start = reports.start
reports.start = lambda dsn: start(dsn, transport=Keeps)
"""


def run(code: str, tmp_path, **given):
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        cwd=settings.BASE_DIR,
        env={
            **{name: value for name, value in os.environ.items() if name != "SENTRY_DSN"},
            "DJANGO_SETTINGS_MODULE": "tests.settings",
            "PORTAL_DEMO": "1",
            "PORTAL_VAR": str(tmp_path),
            **given,
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_nothing_of_it_is_loaded_without_an_address(tmp_path):
    code = "import django; django.setup(); import sys; print('sentry_sdk' in sys.modules)"
    assert run(code, tmp_path) == "False\n"


def test_what_broke_is_told_without_anybody_s_data(tmp_path):
    told = json.loads(
        run(KEEPS + SENT_BY_ONE, tmp_path, SENTRY_DSN="https://key@sentry.example.org/1").splitlines()[-1]
    )
    failures = [event for event in told["events"] if "exception" in event]
    assert told["status"] == "500" and len(failures) == 1
    [failure] = failures
    assert failure["exception"]["values"][-1]["value"] == "[adresse] of 13"
    assert failure["request"]["method"] == "POST" and failure["request"]["url"].endswith("/connexion/")
    assert failure["tags"] == {"request": told["number"]}
    everything = json.dumps(told["events"])
    for private in ("jeanne", "Jeanne", "Martin", "hunter2", "secret", "phone", "127.0.0.1", "server_name"):
        assert private not in everything, private
