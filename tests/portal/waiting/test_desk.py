"""The desk sees the line, opens and closes it, sets its pace."""

import time
from pathlib import Path
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse

from families.models import User
from portal.models import Town
from portal.waiting import page
from portal.waiting.gate import VISIT, Gate, Visit
from portal.waiting.line import Mode
from portal.waiting.meter import Meter
from portal.waiting.room import Room, Waits
from portal.waiting.shared_file import SharedFile
from portal.waiting.tickets import Tickets
from tests.conftest import logged_in
from tests.factories import TownFactory

TICKETS = Tickets("a key")


@pytest.fixture
def gate(line_file: Path) -> Gate:
    room = Room(SharedFile(line_file), Meter(), TICKETS.name)
    return Gate(lambda environ, start: [], room, TICKETS, lambda: page.compose(Town()), secure=False)


def through(gate: Gate, user: User) -> Client:
    """A client whose requests have come through the gate."""
    client = logged_in(user)
    client.defaults[VISIT] = Visit(gate)
    return client


def text(answer: Any) -> str:
    return answer.content.decode().replace("\u00a0", " ")


def test_an_agent_opens_the_room_at_a_pace_and_leaves_it_to_itself_again(gate: Gate, agent: User) -> None:
    TownFactory()
    desk, url = through(gate, agent), reverse("admin:portal_town_line")
    assert "fermée : toutes les familles entrent" in text(desk.get(url))
    answer = desk.post(url, {"mode": int(Mode.OPEN), "pace": "60"}, follow=True)
    assert "File d'attente ouverte, 60 familles par minute." in text(answer).replace("&#x27;", "'")
    waits = [gate.room.arrive(time.time()) for _ in range(4)][-1]
    assert isinstance(waits, Waits)
    assert waits.number is not None
    gate.room.come_back(gate.room.store.generation, waits.number, time.time())
    said = text(desk.get(url))
    assert "Familles qui attendent" in said
    assert "60 familles par minute" in said
    assert "depuis le" in said
    assert LogEntry.objects.filter(change_message__startswith="File d'attente ouverte").count() == 1
    one = desk.post(url, {"mode": int(Mode.OPEN), "pace": "1"}, follow=True)
    assert "ouverte, 1 famille par minute." in text(one)
    desk.post(url, {"mode": int(Mode.AUTO), "pace": ""})
    assert gate.room.store.board().mode is Mode.AUTO


@pytest.mark.parametrize("pace", ["0", "-3", "vite", "1e9"])
def test_a_pace_that_is_none_is_refused_with_a_sentence(gate: Gate, agent: User, pace: str) -> None:
    answer = through(gate, agent).post(
        reverse("admin:portal_town_line"), {"mode": int(Mode.OPEN), "pace": pace}
    )
    assert "Corrigez les champs signalés" in text(answer)
    assert gate.room.store.board().mode is Mode.AUTO


def test_a_server_that_keeps_no_line_says_so(agent: User) -> None:
    assert "ne tient pas de file" in text(logged_in(agent).get(reverse("admin:portal_town_line")))


def test_a_file_that_cannot_be_kept_is_said_too(gate: Gate, agent: User, line_file: Path) -> None:
    line_file.mkdir()
    desk, url = through(gate, agent), reverse("admin:portal_town_line")
    assert "ne tient pas de file" in text(desk.get(url))
    answer = desk.post(url, {"mode": int(Mode.OPEN)}, follow=True)
    assert "n&#x27;a pas pu être réglée" in text(answer)


def test_the_accountant_has_no_such_page(gate: Gate, regie: User) -> None:
    assert through(gate, regie).get(reverse("admin:portal_town_line")).status_code == 403
