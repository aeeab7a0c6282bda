"""The gate with the portal itself behind it, as gunicorn serves it."""

import io
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import time_machine
from django.contrib.auth import get_user_model
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_finished, request_started
from django.db import close_old_connections

from portal import town
from portal.waiting import inside, page
from portal.waiting.gate import Gate
from portal.waiting.line import Mode
from portal.waiting.meter import Meter
from portal.waiting.room import Room
from portal.waiting.shared_file import SharedFile
from portal.waiting.tickets import Tickets
from tests.conftest import NOW
from tests.portal.waiting.test_gate import Answered, Browser

PASSWORD = "une longue phrase de passe"
TICKETS = Tickets("a key")


class Parent(Browser):
    """A browser that knows the portal's forms."""

    def ask(self, path: str, method: str = "GET", body: bytes = b"", **more: Any) -> Answered:
        headers = {
            "SERVER_NAME": "testserver",
            "SERVER_PORT": "80",
            "REMOTE_ADDR": "127.0.0.1",
            "wsgi.errors": io.StringIO(),
            "wsgi.multithread": False,
            "CONTENT_TYPE": "application/x-www-form-urlencoded",
        }
        answer = super().ask(path, method, body, **headers, **more)
        found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', answer.body)
        self.token = found[1] if found else getattr(self, "token", "")
        return answer

    def log_in(self, name: str) -> Answered:
        form = {
            "login": name,
            "password": PASSWORD,
            "csrfmiddlewaretoken": self.token,
        }
        return self.ask("/connexion/", "POST", urlencode(form).encode())


@pytest.fixture
def traveller() -> Iterator[Any]:
    with time_machine.travel(NOW, tick=False) as found:
        yield found


@pytest.fixture
def gate(db: None, line_file: Path, traveller: Any) -> Iterator[Gate]:
    """The test keeps its connection: Django would close it with each answer."""
    room = Room(SharedFile(line_file), Meter(), TICKETS.name)
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield Gate(WSGIHandler(), room, TICKETS, lambda: page.compose(town.current()), secure=False)
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.fixture
def parents(db: None) -> list[str]:
    users = get_user_model().objects
    for name in ("anna", "ben"):
        user = users.create_user(name, f"{name}@example.org", PASSWORD)
        user.emailaddress_set.create(email=user.email, verified=True, primary=True)
    return ["anna", "ben"]


def test_a_family_waits_logs_in_and_is_inside_and_its_copied_place_lets_nobody_else_in(
    gate: Gate, parents: list[str], traveller: Any
) -> None:
    gate.room.direct(Mode.OPEN, 1.0, NOW.timestamp())
    Parent(gate).ask("/connexion/")
    family = Parent(gate)
    assert family.ask("/").status == 503
    for _ in range(4):
        traveller.shift(1)
        came = family.ask("/connexion/")
    assert came.status == 200
    copied, token = family.copy(), family.token
    assert family.log_in("anna").status == 302
    assert family.ask("/").status == 200
    other = Parent(gate)
    other.cookies, other.token = copied.cookies, token
    refused = other.log_in("ben")
    assert (refused.status, re.findall("file d'attente", refused.body)[:1]) == (503, ["file d'attente"])
    assert not any("session" in cookie for name, cookie in refused.headers if name == "Set-Cookie")
    traveller.shift(timedelta(minutes=9))
    assert family.ask("/").status == 200


def test_while_it_is_closed_a_login_costs_nothing_but_a_cookie(gate: Gate, parents: list[str]) -> None:
    family = Parent(gate)
    assert family.ask("/connexion/").status == 200
    assert family.log_in("anna").status == 302
    assert family.cookies["place"].startswith("a")


def test_the_gate_is_told_how_the_town_looks_and_what_opens(gate: Gate) -> None:
    inside.tell(gate)
    assert gate.room.store.moments().startswith("{")
