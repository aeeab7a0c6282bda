"""Each request has a number, by which the page of an error and the logs tell of the same thing."""

import json
import logging
import re

import pytest
from django.test import Client

from portal.web import logs, request_ids
from tests.conftest import let_go

NUMBER = re.compile(r"[2-9A-Z]{4}-[2-9A-Z]{4}")


@pytest.fixture
def lines():
    """What the console would hold, as JSON."""
    found = []

    class Kept(logging.Handler):
        def emit(self, record):
            found.append(json.loads(logs.JsonLines().format(record)))

    handler = Kept()
    names = ("portal", "django.request")
    for name in names:
        logging.getLogger(name).addHandler(handler)
    yield found
    for name in names:
        logging.getLogger(name).removeHandler(handler)


def test_each_answer_has_a_number_of_its_own(db):
    numbers = {Client().get(path)["X-Request-ID"] for path in ("/connexion/", "/nulle-part/", "/sante/pret/")}
    assert len(numbers) == 3 and all(NUMBER.fullmatch(number) for number in numbers)


@pytest.mark.parametrize(
    ("given", "proxies", "taken"),
    [
        ("3f2a9c1e-77", 1, True),
        ("3f2a9c1e-77", 0, False),
        ("3f2a9c1e-77", None, False),
        ("short", 1, False),
        ("a" * 65, 1, False),
        ("with space", 1, False),
        ("forged\x1bline", 1, False),
        ("é" * 10, 1, False),
    ],
)
def test_a_number_is_believed_of_a_trusted_proxy_that_forms_it_well(db, settings, given, proxies, taken):
    settings.TRUSTED_PROXY_COUNT = proxies
    said = Client().get("/sante/pret/", headers={"X-Request-ID": given})["X-Request-ID"]
    assert (said == given) is taken


def test_the_page_of_an_error_shows_the_number_that_the_logs_know(client, monkeypatch, lines, db):
    def broken(*args, **named):
        raise ValueError("jeanne.martin@example.org")

    monkeypatch.setattr("portal.town_time._zone_or_default", broken)
    client.raise_request_exception = False
    answer = client.get("/connexion/")
    number = answer["X-Request-ID"]
    assert answer.status_code == 500
    assert number in answer.content.decode() and "donnez-lui ce numéro" in answer.content.decode()
    [told] = [line for line in lines if line["level"] == "ERROR"]
    assert told["request"] == number
    assert "[adresse]" in told["exception"] and "jeanne" not in json.dumps(told)


def test_an_answer_is_one_line_without_what_was_asked_after_the_path(stranger, settings, lines):
    settings.ACCESS_LOG = True
    stranger.client().get("/?nom=Martin")
    let_go(Client().get("/static/css/portal.css"))
    [line] = [line for line in lines if line["logger"] == "portal.access"]
    assert (line["method"], line["path"], line["status"]) == ("GET", "/", 200)
    assert line["account"] == stranger.user.pk and line["ms"] >= 0
    assert "Martin" not in json.dumps(line) and stranger.user.username not in json.dumps(line)


def test_who_is_not_asked_for_is_not_looked_up(db, settings, lines):
    settings.ACCESS_LOG = True
    Client().get("/sante/pret/")
    assert [line["account"] for line in lines if line["logger"] == "portal.access"] == [None]


def test_links_that_open_something_are_not_in_the_lines(db, settings, lines):
    settings.ACCESS_LOG = True
    Client().get("/mon-agenda/secret-of-a-guardian/")
    assert "secret-of" not in json.dumps(lines)


def test_no_access_line_where_it_is_not_asked_for(db, settings, lines):
    settings.ACCESS_LOG = False
    Client().get("/sante/pret/")
    assert not [line for line in lines if line["logger"] == "portal.access"]


def test_numbers_have_no_sign_that_is_taken_for_another():
    assert not set("01IOL") & set(request_ids.SIGNS)
