"""Sessions and counters in Redis: as in the database while it is there, and no page ends when it falls."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from billing.admin import once
from families.models import LoginCounter, User
from families.signing_in import counters, factor_forms, factors, sessions
from portal.web import redis_cache, redis_sessions
from tests.conftest import NOW, Family
from tests.factories import PASSWORD
from tests.families.conftest import text_of
from tests.families.signing_in.conftest import log_in, who
from tests.redis_server import RedisServer, free_port, running

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("now", "town")]
MINE, HOUSEHOLD = "/mes-connexions/", "/foyer/"


def _counted_at(address: str, settings: Any, prefix: str = "ville") -> None:
    settings.CACHES = {
        "default": {"BACKEND": "portal.web.redis_cache.RedisCache", "LOCATION": address, "KEY_PREFIX": prefix}
    }
    settings.SESSION_ENGINE = "portal.web.redis_sessions"
    redis_cache.forget()


@pytest.fixture
def fallen(settings: Any) -> Iterator[None]:
    """A Redis that nobody answers for."""
    _counted_at(f"redis://127.0.0.1:{free_port()}/0", settings)
    yield
    redis_cache.forget()


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with running() as found:
        yield found


@pytest.fixture
def redis(server: RedisServer, settings: Any) -> Iterator[RedisServer]:
    _counted_at(server.address, settings)
    cache.clear()
    yield server
    redis_cache.forget()


# Fallen -----------------------------------------------------------------------------------------------


def test_a_family_logs_in_while_redis_is_down(fallen: None, roux: Family):
    client = log_in(roux.user)
    assert client.get(HOUSEHOLD).status_code == 200
    assert text_of(client.get(MINE)).count("(cet appareil)") == 1
    assert Session.objects.count() == 1, "Its session is in the database."


def test_the_town_hall_does_not_while_nobody_counts(fallen: None, agent: User):
    client = Client()
    answer = client.post("/connexion/", {"login": "agent", "password": PASSWORD})
    assert answer.status_code == 200 and "Réessayez dans une minute." in text_of(answer)
    assert not who(client)


def test_no_code_is_tried_and_no_form_of_money_counts_while_nobody_counts(fallen: None, agent: User):
    assert not factors.take_try(agent, at=NOW)
    assert not factor_forms._is_first("factor-used:1:123456")
    form = once.OnceForm({"key": "7d0d1a63-5a7f-4a5c-9a3c-1f5c7f0d8e11"})
    assert form.is_valid()
    with pytest.raises(once.AlreadySent, match="rien n'est enregistré"), form.once():
        pytest.fail("Nothing is written.")


def test_who_loses_redis_under_way_reads_the_login_page(fallen: None, roux: Family):
    client = Client()
    client.cookies["sessionid"] = "R" + "x" * 31
    assert client.get(HOUSEHOLD).url == f"/connexion/?next={HOUSEHOLD}"
    form = {"csrfmiddlewaretoken": "", "relationship": "mère"}
    assert client.post("/foyer/coordonnees/", form).status_code in (302, 404)


def test_passwords_that_are_new_and_nights_do_without_it(fallen: None, roux: Family):
    counters.clear(roux.user)
    UserSession.objects.create(user=roux.user, ip="192.0.2.1", session_key="R" + "y" * 31)
    assert sessions.forget_ended() == 0, "Whether it is over cannot be said."


def test_a_session_that_cannot_be_ended_is_not_said_to_be(fallen: None, roux: Family):
    here = log_in(roux.user)
    lost = UserSession.objects.create(user=roux.user, ip="192.0.2.1", session_key="R" + "z" * 31)
    page = text_of(here.post(MINE, {"session": lost.pk}, follow=True))
    assert "ne peut pas être fermée en ce moment" in page
    assert UserSession.objects.filter(pk=lost.pk).exists()
    here.post(MINE, {"others": "1"})
    assert UserSession.objects.get().session_key == here.session.session_key


def test_a_fallen_redis_is_not_asked_again_at_once(fallen: None, monkeypatch: pytest.MonkeyPatch):
    assert cache.get("a", "nothing") == "nothing"
    monkeypatch.setattr(redis_cache.DjangoRedisCache, "get", lambda *_: pytest.fail("Asked."))
    assert cache.get("a", "nothing") == "nothing"


# There ------------------------------------------------------------------------------------------------


@pytest.mark.long
def test_a_login_writes_no_session_and_no_counter_to_the_database(redis: RedisServer, roux: Family):
    with CaptureQueriesContext(connection) as queries:
        client = log_in(roux.user)
    assert client.get(HOUSEHOLD).status_code == 200
    assert not Session.objects.exists() and not LoginCounter.objects.exists()
    assert not [one for one in queries if "django_session" in one["sql"] or "logincounter" in one["sql"]]


@pytest.mark.long
def test_one_session_ends_and_all_the_others_do(redis: RedisServer, roux: Family):
    here, phone, tablet = (log_in(roux.user) for _ in range(3))
    number = UserSession.objects.get(session_key=phone.session.session_key).pk
    assert here.post(MINE, {"session": number}).url == MINE
    assert [one.get(HOUSEHOLD).status_code for one in (here, phone, tablet)] == [200, 302, 200]
    here.post(MINE, {"others": "1"})
    assert [one.get(HOUSEHOLD).status_code for one in (here, phone, tablet)] == [200, 302, 302]
    assert text_of(here.get(MINE)).count("(cet appareil)") == 1


@pytest.mark.long
def test_the_night_forgets_what_is_over(redis: RedisServer, roux: Family):
    kept, gone = log_in(roux.user), log_in(roux.user)
    gone.post("/deconnexion/")
    assert sessions.forget_ended() == 1
    assert UserSession.objects.get().session_key == kept.session.session_key


@pytest.mark.long
def test_a_session_ends_at_its_hour_and_its_owner_is_known_a_while(redis: RedisServer, roux: Family):
    client = log_in(roux.user)
    key = str(client.session.session_key)
    with time_machine.travel(NOW + timedelta(hours=17), tick=False):
        assert client.get(HOUSEHOLD).status_code == 200
    with time_machine.travel(NOW + timedelta(hours=19), tick=False):
        assert client.get(HOUSEHOLD).status_code == 302
        assert redis_sessions.SessionStore.owner(key) == str(roux.user.pk)


@pytest.mark.long
def test_sessions_of_before_redis_stay_open(server: RedisServer, settings: Any, roux: Family):
    before = log_in(roux.user)
    _counted_at(server.address, settings)
    there = Client()
    there.cookies = before.cookies
    assert there.get(HOUSEHOLD).status_code == 200


@pytest.mark.long
def test_redis_falls_and_comes_back_while_families_are_at_it(settings: Any, roux: Family):
    with running() as own:
        _counted_at(own.address, settings)
        client = log_in(roux.user)
        assert client.get(HOUSEHOLD).status_code == 200
        own.stop()
        assert client.get(HOUSEHOLD).status_code == 302
        log_in(roux.user, client=client)
        assert client.get(HOUSEHOLD).status_code == 200
        own.start()
        redis_cache.forget()
        assert client.get(HOUSEHOLD).status_code == 200, "It stays where it was opened."


@pytest.mark.long
def test_wrong_passwords_count_there_as_in_the_database(redis: RedisServer, roux: Family):
    def tries(password: str) -> str:
        return text_of(Client().post("/connexion/", {"login": "roux", "password": password}))

    assert not [n for n in range(5) if "Trop d'essais" in tries("faux")]
    assert "Patientez 5 minutes" in tries(PASSWORD)
    with time_machine.travel(NOW + timedelta(minutes=5), tick=False):
        assert "Trop d'essais" not in tries("faux")
        assert "Patientez 10 minutes" in tries("faux")
        counters.clear(roux.user)
        assert "Trop d'essais" not in tries("faux")
        assert who(log_in(roux.user)) == str(roux.user.pk)


@pytest.mark.long
def test_a_right_password_takes_its_own_try_back(redis: RedisServer, roux: Family):
    for _ in range(30):  # more than an account may have wrong ones
        assert who(log_in(roux.user)) == str(roux.user.pk)


@pytest.mark.long
def test_codes_are_counted_and_forgotten(redis: RedisServer, agent: User):
    tried = [factors.take_try(agent, at=timezone.now()) for _ in range(30)]
    assert True in tried and tried[-1] is False
    factors.forget_tries(agent)
    assert factors.take_try(agent, at=timezone.now())


@pytest.mark.long
def test_two_portals_share_one_redis(redis: RedisServer, settings: Any):
    cache.set("heartbeat", 1)
    _counted_at(redis.address, settings, prefix="autre-ville")
    assert cache.get("heartbeat") is None
