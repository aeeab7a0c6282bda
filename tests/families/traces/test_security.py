"""Who came in, who did not, what changed: a line each, no address in clear, and no flood of lines."""

import logging

import pytest
import time_machine
from django.test import Client

from families.models import SecurityEvent, User
from families.traces import security
from tests.conftest import NO_ROLES, Family
from tests.factories import PASSWORD
from tests.families.test_login import log_in
from tests.families.test_recovery import NEW, ask, choose, link_in
from tests.families.test_signup import ask_for, confirmation_in

pytestmark = pytest.mark.django_db
KIND = SecurityEvent.Kind


def kinds(user: User | None = None) -> list[str]:
    events = SecurityEvent.objects.order_by("pk")
    return [event.kind for event in (events.filter(user=user) if user else events)]


def test_a_login_a_failure_a_lock_out_and_a_logout_are_a_line_each(roux: Family):
    client = Client()
    log_in("roux", client=client)
    client.post("/deconnexion/")
    for _ in range(6):
        log_in("Roux@example.org", "faux")
    log_in("personne", "faux")
    assert kinds(roux.user) == ["login", "logout", *["failed"] * 5, "locked"]
    assert kinds()[-1] == "failed"
    assert SecurityEvent.objects.filter(user=None).count() == 1


def test_recovery_and_new_passwords_are_lines(roux: Family, commit, letters):
    with commit():
        ask("roux@example.org")
        ask("personne@example.org")
    choose(link_in(letters[0]))
    client = Client()
    log_in("roux", NEW, client)
    other = "zèbre sous la neige 8"
    client.post("/mon-mot-de-passe/", {"oldpassword": NEW, "password1": other, "password2": other})
    assert kinds(roux.user) == ["recovery", "password", "login", "password"]
    known, unknown = SecurityEvent.objects.filter(kind="recovery").order_by("pk")
    assert unknown.user is None and unknown.login_mark != known.login_mark
    assert unknown.network_mark == known.network_mark != ""


def test_another_address_is_a_line_the_first_one_is_none(roux: Family, commit, letters):
    client = roux.client()
    with commit():
        ask_for(client, "nouvelle@example.org")
    client.post(confirmation_in(letters[0]))
    assert kinds(roux.user) == ["address"]


def test_one_login_has_one_mark_however_it_is_typed_and_another_secret_another_mark(roux: Family, settings):
    for login in ("Roux@example.org", "ｒoux@example.org", "autre@example.org"):
        log_in(login, "faux")
    first, same, other = SecurityEvent.objects.order_by("pk").values_list("login_mark", flat=True)
    assert first == same != other
    settings.SECRET_KEY = "another"
    assert security.mark("roux@example.org") != first


def test_the_servers_log_has_a_line_without_names(roux: Family, caplog):
    with caplog.at_level(logging.INFO, logger="portal.security"):
        log_in("roux@example.org", "faux")
        log_in("roux@example.org")
    failed, came_in = (record.getMessage() for record in caplog.records if record.name == "portal.security")
    assert failed.startswith(f"failed: account {roux.user.pk}, by -, login ")
    assert came_in.startswith(f"login: account {roux.user.pk}, ")
    assert "roux" not in failed + came_in and "127.0.0.1" not in failed + came_in


def test_a_flood_is_counted_not_written(now, town, django_assert_num_queries, caplog):
    for number in range(security.MOST_A_MINUTE + 1):
        security.note(KIND.FAILED, login=f"inventé{number}")
    with django_assert_num_queries(2):
        security.note(KIND.FAILED, login="encore un")
    assert SecurityEvent.objects.count() == security.MOST_A_MINUTE + 1
    rest = SecurityEvent.objects.get(detail=security.THE_REST)
    assert rest.times == 2
    assert [record.levelname for record in caplog.records].count("WARNING") == 1

    security.note(KIND.LOCKED, login="autre chose")
    security.note(KIND.LOGIN)
    with time_machine.travel(now.replace(minute=1), tick=False):
        security.note(KIND.FAILED, login="la minute d'après")
    assert SecurityEvent.objects.count() == security.MOST_A_MINUTE + 4


def test_what_only_those_inside_can_cause_is_written_whole(now, town):
    for _ in range(security.MOST_A_MINUTE + 5):
        security.note(KIND.LOGIN)
    assert SecurityEvent.objects.filter(kind=KIND.LOGIN).count() == security.MOST_A_MINUTE + 5


def test_a_request_that_comes_from_nowhere_is_noted_too(roux: Family):
    """Django's own signal of a logout has no address where a command sent it."""
    client = roux.client()
    client.logout()
    assert kinds(roux.user) == ["logout"]


def test_what_the_desk_does_to_an_account_is_noted_with_its_name(chief, chief_client, roux: Family):
    where = f"/mairie/families/user/{roux.user.pk}/"
    new = {"password1": NEW, "password2": NEW, "usable_password": "true"}
    assert chief_client.post(f"{where}password/", new).status_code == 302
    fields = NO_ROLES | {"username": "roux", "date_joined_0": "2026-01-01", "date_joined_1": "10:00"}
    chief_client.post(f"{where}change/", fields | {"email": "autre@example.org"})
    events = SecurityEvent.objects.filter(user=roux.user).order_by("pk")
    assert [(event.kind, event.by) for event in events] == [
        ("password", chief),
        ("address", chief),
        ("closed", chief),
    ]


def test_a_password_that_was_refused_at_the_desk_is_no_line(chief_client, roux: Family):
    where = f"/mairie/families/user/{roux.user.pk}/password/"
    chief_client.post(where, {"password1": "court", "password2": "autre", "usable_password": "true"})
    assert kinds(roux.user) == []
    assert log_in("roux", PASSWORD).url == "/"
