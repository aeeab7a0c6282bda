"""« Mes connexions »: where one is logged in, and the way to end any of it."""

from datetime import timedelta

import pytest
import time_machine
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from families.models import SecurityEvent
from families.pages.sessions import device
from families.signing_in import sessions
from tests.conftest import NOW, Family, logged_in
from tests.families.conftest import text_of
from tests.families.signing_in.conftest import log_in

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("now", "town")]
MINE = "/mes-connexions/"
PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) Version/18.1 Safari/604.1"


@pytest.mark.parametrize("who", ["roux", "agent"])
def test_everybody_sees_where_the_account_is_open(who: str, request: pytest.FixtureRequest):
    found = request.getfixturevalue(who)
    user = found.user if isinstance(found, Family) else found
    here = log_in(user)
    log_in(user, client=Client(HTTP_USER_AGENT=PHONE))
    page = text_of(here.get(MINE))
    assert "Safari, iPhone" in page and "127.0.0.1" in page
    assert page.count("(cet appareil)") == 1
    assert page.count('name="session"') == 1


def test_one_session_ends_and_the_others_stay(roux: Family):
    here, phone, tablet = (log_in(roux.user) for _ in range(3))
    number = UserSession.objects.get(session_key=phone.session.session_key).pk
    assert here.post(MINE, {"session": number}).url == MINE
    assert [one.get("/foyer/").status_code for one in (here, phone, tablet)] == [200, 302, 200]
    assert SecurityEvent.objects.get(kind="sessions_ended").user == roux.user


def test_a_familys_other_device_tells_its_last_activity_and_lasts_no_longer_for_it(roux: Family):
    here, phone = log_in(roux.user), log_in(roux.user, client=Client(HTTP_USER_AGENT=PHONE))
    ends = Session.objects.get(session_key=phone.session.session_key).expire_date
    with time_machine.travel(NOW + timedelta(minutes=5), tick=False):
        phone.get("/foyer/")
    assert "Dernière activité" not in text_of(here.get(MINE))
    with time_machine.travel(NOW + timedelta(minutes=50), tick=False):
        phone.get("/foyer/")
        with CaptureQueriesContext(connection) as queries:
            phone.get("/foyer/")
        assert not [query for query in queries if query["sql"].startswith('UPDATE "usersessions')]
        page = text_of(here.get(MINE))
    assert "Dernière activité" in page and "10 h 50" in page
    assert Session.objects.get(session_key=phone.session.session_key).expire_date == ends


def test_all_others_end_those_too_that_no_row_tells_of(roux: Family):
    here, phone, older = log_in(roux.user), log_in(roux.user), logged_in(roux.user)
    here.post(MINE, {"others": "1"})
    assert [one.get("/foyer/").status_code for one in (here, phone, older)] == [200, 302, 302]
    assert text_of(here.get(MINE)).count("(cet appareil)") == 1
    assert UserSession.objects.count() == 1


def test_a_login_costs_the_same_however_many_sessions_are_open(roux: Family):
    asked = []
    for _ in range(12):
        with CaptureQueriesContext(connection) as queries:
            log_in(roux.user)
        asked.append(len(queries))
    assert asked[1] == asked[11] <= 12
    assert UserSession.objects.count() == 12


@pytest.mark.parametrize("number", ["", "x", "0", "99999999999999999999"])
def test_what_is_no_session_ends_nothing(roux: Family, number: str):
    here = log_in(roux.user)
    assert "était déjà fermée" in text_of(here.post(MINE, {"session": number}, follow=True))
    assert here.get("/foyer/").status_code == 200


def test_nobody_ends_somebody_elses(roux: Family, stranger: Family):
    here, other = log_in(roux.user), log_in(stranger.user)
    theirs = UserSession.objects.get(user=roux.user).pk
    other.post(MINE, {"session": theirs})
    other.post(MINE, {"others": "1"})
    assert here.get("/foyer/").status_code == 200


def test_a_session_opened_by_an_earlier_version_is_seen(roux: Family):
    client = logged_in(roux.user)
    assert not UserSession.objects.exists()
    assert "(cet appareil)" in text_of(client.get(MINE))


def test_the_night_forgets_the_rows_of_sessions_that_are_over(roux: Family):
    kept, gone = log_in(roux.user), log_in(roux.user)
    gone.post("/deconnexion/")
    assert sessions.forget_ended() == 1
    assert sessions.forget_ended() == 0
    assert UserSession.objects.get().session_key == kept.session.session_key


@pytest.mark.parametrize(
    ("said", "called"),
    [
        (PHONE, "Safari, iPhone"),
        ("Mozilla/5.0 (Windows NT 10.0) Chrome/131.0 Safari/537.36 Edg/131.0", "Edge, Windows"),
        ("Mozilla/5.0 (Linux; Android 14) Chrome/131.0 Mobile Safari/537.36", "Chrome, Android"),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0", "Firefox, Linux"),
        ("curl/8.0", "Navigateur inconnu"),
        ("", "Navigateur inconnu"),
    ],
)
def test_a_device_is_called_as_people_call_it(said: str, called: str):
    assert device(said) == called


def test_the_page_asks_as_much_for_ten_sessions_as_for_one(roux: Family, django_assert_num_queries):
    here = log_in(roux.user)
    here.get(MINE)  # each process keeps for half a minute when the next offer ends
    with CaptureQueriesContext(connection) as one:
        here.get(MINE)
        asked = len(one)
    for _ in range(9):
        log_in(roux.user)
    with django_assert_num_queries(asked):
        assert text_of(here.get(MINE)).count('name="session"') == 9
