"""A member of staff's session ends when nobody is at it, and at the end of the day; a family's does not."""

import re
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from families.models import Guardian, Household, User
from portal.models import Town
from tests.conftest import NOW, Family, logged_in
from tests.families.conftest import text_of
from tests.families.signing_in.conftest import log_in

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("now", "town")]
DESK = "/mairie/"


def after(**time: float) -> Any:
    return time_machine.travel(NOW + timedelta(**time), tick=False)


@pytest.mark.parametrize("who", ["agent", "regie", "chief"])
def test_staff_are_logged_out_after_half_an_hour_without_activity(who: str, request: pytest.FixtureRequest):
    client = log_in(request.getfixturevalue(who))
    for minutes in (29, 58, 87):
        with after(minutes=minutes):
            assert client.get(DESK).status_code == 200
    with after(minutes=118):
        left = client.get("/mairie/families/child/?q=roux")
        assert left.url == "/connexion/?next=/mairie/families/child/%3Fq%3Droux"
        assert "fermée faute d'activité" in text_of(client.get(left.url))
        assert not UserSession.objects.exists()


def test_staff_log_in_again_after_ten_hours_whatever_they_do(agent: User):
    client = log_in(agent)
    for minutes in range(0, 600, 20):
        with after(minutes=minutes):
            assert client.get(DESK).status_code == 200
    with after(hours=10):
        left = client.get(DESK)
        assert left.status_code == 302
        assert "au bout d'une journée de travail" in text_of(client.get("/connexion/"))


def test_the_town_says_how_long(agent: User, town: Town):
    town.staff_idle_minutes, town.staff_session_hours = 10, 2
    town.save()
    client = log_in(agent)
    with after(minutes=11):
        assert client.get(DESK).status_code == 302


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("staff_idle_minutes", 4),
        ("staff_idle_minutes", 121),
        ("staff_session_hours", 0),
        ("staff_session_hours", 15),
    ],
)
def test_the_town_cannot_say_anything(chief_client: Client, town: Town, field: str, value: int):
    page = chief_client.get(f"/mairie/portal/town/{town.pk}/change/")
    posted = {name: value for name, value in page.context["adminform"].form.initial.items() if value}
    answer = chief_client.post(f"/mairie/portal/town/{town.pk}/change/", posted | {field: value})
    assert field in answer.context["adminform"].form.errors


def test_a_family_stays_from_breakfast_to_bedtime(roux: Family):
    client = log_in(roux.user)
    with after(hours=17):
        assert client.get("/foyer/").status_code == 200


def test_being_seen_is_written_once_a_minute(agent: User):
    client = log_in(agent)
    own = UserSession.objects.get()

    def written(seconds: int) -> list[str]:
        with after(seconds=seconds), CaptureQueriesContext(connection) as asked:
            client.get("/double-authentification/")
        tables = re.compile(r'^(?:UPDATE|INSERT INTO|DELETE FROM) "?(\w+)"?')
        return [found.group(1) for query in asked if (found := tables.match(query["sql"]))]

    assert written(59) == []
    assert written(60) == ["usersessions_usersession", "django_session"]
    own.refresh_from_db()
    assert own.last_seen_at == NOW + timedelta(seconds=60)
    assert written(119) == []


def test_a_session_of_an_earlier_version_begins_its_time_now(agent: User):
    client = logged_in(agent)
    session = client.session
    del session["opened_at"], session["seen_at"]
    session.save()
    with after(hours=3):
        assert client.get(DESK).status_code == 200
        assert client.session["opened_at"] == timezone.now().timestamp()


def test_what_was_posted_after_it_closed_is_kept_for_the_same_person_only(agent: User, roux: Family):
    Guardian.objects.create(
        household=Household.objects.get(), user=agent, last_name="Agent", phone="0100000000"
    )
    client = log_in(agent)
    with after(minutes=31):
        assert client.post("/foyer/telephones/", {"phone": "01 02 03 04 05"}).status_code == 302
        assert "ce que vous aviez saisi est conservé" in text_of(client.get("/connexion/"))
        other = Client()
        other.cookies = client.cookies
        log_in(roux.user, client=other)
        assert "01 02 03 04 05" not in text_of(other.get("/foyer/telephones/"))


def test_the_row_of_a_closed_session_goes(agent: User):
    client = log_in(agent)
    assert Session.objects.count() == 1
    with after(minutes=31):
        client.get(DESK)
    assert [dict(one.get_decoded()) for one in Session.objects.all()] == [{"session_closed": "idle"}]
