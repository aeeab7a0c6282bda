"""A form posted after the session expired is given back after login, once, to its own page."""

from datetime import timedelta

import pytest
import time_machine
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.http import HttpResponse, QueryDict
from django.test import Client, RequestFactory

from portal.database.field_keys import is_encrypted
from portal.web import interrupted
from tests.conftest import NOW, Family, family
from tests.factories import PASSWORD, UserFactory

pytestmark = pytest.mark.django_db
TYPED = {"phone": "06 39 98 77 77", "phone_work": ""}


@pytest.fixture
def roux(now, town) -> Family:
    return family("roux", "Roux", "Lina")


def log_in(client: Client, path: str):
    return client.post("/connexion/", {"login": "roux", "password": PASSWORD, "next": path})


def test_what_was_typed_comes_back_after_login_unsaved(roux: Family):
    client = roux.client()
    with time_machine.travel(NOW + timedelta(hours=19)):
        expired = client.post("/foyer/telephones/", TYPED)
        assert expired.url == "/connexion/?next=/foyer/telephones/"
        assert log_in(client, "/foyer/telephones/").url == "/foyer/telephones/"
        page = client.get("/foyer/telephones/").content.decode()
        assert 'value="06 39 98 77 77"' in page
        assert "Votre session avait expiré." in page
        roux.guardian.refresh_from_db()
        assert roux.guardian.phone != TYPED["phone"], "only a new submit writes"
        assert 'value="06 39 98 77 77"' not in client.get("/foyer/telephones/").content.decode()


def test_whoever_else_logs_in_on_that_browser_sees_nothing_of_it(roux: Family):
    family("martin", "Martin", "Tom")
    client = roux.client()
    with time_machine.travel(NOW + timedelta(hours=19)):
        client.post("/foyer/telephones/", TYPED)
        client.post("/connexion/", {"login": "martin", "password": PASSWORD, "next": "/foyer/telephones/"})
        page = client.get("/foyer/telephones/")
        assert page.status_code == 200 and TYPED["phone"] not in page.text


def test_the_login_page_says_that_nothing_is_lost(roux: Family):
    client, said = Client(), "ce que vous aviez saisi est conservé"
    assert said not in client.get("/connexion/").text
    login_page = client.post("/foyer/telephones/", TYPED, follow=True)
    assert said in login_page.text
    assert said not in client.post("/connexion/", {"login": "roux", "password": "faux"}).text


def test_a_choice_among_boxes_comes_back_too(roux: Family):
    client, path = Client(), f"/enfants/{roux.child.pk}/autorisations/"
    client.post(path, {"leaves_alone": "on"})
    log_in(client, path)
    page = client.get(path).content.decode()
    assert page.count("checked") == 1


def test_another_page_leaves_it_alone_and_time_takes_it_away(roux: Family):
    client = Client()
    client.post("/foyer/telephones/", TYPED)
    log_in(client, "/foyer/telephones/")
    client.get("/foyer/")
    with time_machine.travel(NOW + timedelta(hours=2)):
        assert "06 39 98 77 77" not in client.get("/foyer/telephones/").content.decode()


# The middleware itself ------------------------------------------------------------------------------


def kept_after(
    data: dict, view=None, path: str = "/cantine/planning/?mois=12", user=None
) -> QueryDict | None:
    """What the middleware keeps of an anonymous POST, taken back at the same path."""
    request = RequestFactory().post(path, data)
    request.session, request.user = SessionStore(), user or AnonymousUser()

    def planning(request):
        return HttpResponse()

    middleware = interrupted.KeepInterruptedFormMiddleware(planning)
    middleware.process_view(request, view or interrupted.keeps_interrupted_form(planning), (), {})
    back = RequestFactory().get(path)
    back.session, back.user = request.session, UserFactory.build(pk=1)
    taken = interrupted.take(back)
    assert interrupted.take(back) is None, "given back once"
    return taken


def test_ticks_come_back_in_their_order(now):
    taken = kept_after({"day": ["2026-11-30", "2026-12-01"], "csrfmiddlewaretoken": "x"})
    assert taken.getlist("day") == ["2026-11-30", "2026-12-01"]
    assert "csrfmiddlewaretoken" not in taken


def test_passwords_and_huge_posts_are_never_kept(now):
    assert set(kept_after({"name": "Jeanne", "password": "a", "new_password1": "b"})) == {"name"}
    assert kept_after({"notes": "x" * 70_000}) is None
    assert kept_after({"password": "a"}) is None


def test_only_views_that_ask_for_it_and_only_the_anonymous(now, roux: Family):
    assert kept_after({"day": "2026-11-30"}, view=lambda request: HttpResponse()) is None
    assert kept_after({"day": "2026-11-30"}, user=roux.user) is None


# Strangers fill no table ----------------------------------------------------------------------------


def post_from(address: str, fields: dict[str, str], client: Client | None = None):
    return (client or Client()).post("/foyer/telephones/", fields, REMOTE_ADDR=address)


def test_a_network_has_its_share_of_an_hour(roux: Family):
    answers = [post_from("198.51.100.7", {"phone": "x" * 60_000}).status_code for _ in range(30)]
    assert answers == [302] * 16 + [429] * 14
    assert Session.objects.count() == 16
    small = [post_from("198.51.100.8", {"phone": "06"}).status_code for _ in range(60)]
    assert small.count(302) == 31
    assert post_from("198.51.100.9", TYPED).status_code == 302, "others are not kept waiting"
    with time_machine.travel(NOW + timedelta(hours=1)):
        assert post_from("198.51.100.7", TYPED).status_code == 302


def test_a_network_of_ipv6_is_one(roux: Family):
    answers = {post_from(f"2001:db8:1:2::{one:x}", {"phone": "x" * 60_000}).status_code for one in range(30)}
    assert answers == {302, 429}
    assert post_from("2001:db8:1:3::1", TYPED).status_code == 302


def test_many_networks_have_a_share_together(roux: Family, monkeypatch):
    monkeypatch.setattr(interrupted, "OF_EVERYBODY", 10 * interrupted.CHARACTERS_AT_LEAST)
    answers = [post_from(f"198.51.100.{one}", TYPED).status_code for one in range(12)]
    assert answers == [302] * 10 + [429] * 2


def test_whoever_is_refused_reads_how_to_lose_nothing(roux: Family, monkeypatch):
    monkeypatch.setattr(interrupted, "OF_A_NETWORK", 0)
    page = Client().post("/foyer/telephones/", TYPED)
    assert page.status_code == 429 and not Session.objects.exists()
    assert "ni enregistré, ni perdu" in page.text and 'href="/connexion/"' in page.text


def test_a_browser_that_sends_its_form_again_takes_no_more_room(roux: Family):
    client = Client()
    assert {post_from("198.51.100.7", TYPED, client).status_code for _ in range(60)} == {302}
    assert Session.objects.count() == 1


def test_what_was_typed_is_encrypted_meanwhile_and_given_up_when_its_key_is_lost(roux: Family, settings):
    client = roux.client()
    health = f"/enfants/{roux.child.pk}/sante/"
    with time_machine.travel(NOW + timedelta(hours=19)):
        client.post(health, {"allergies": "Kiwi"})
        kept = client.session[interrupted.SESSION_KEY]
        assert is_encrypted(kept["fields"]) and "Kiwi" not in str(dict(client.session))
        settings.FIELD_KEYS = ["another key of forty characters, or more"]
        log_in(client, health)
        page = client.get(health)
        assert page.status_code == 200 and "Kiwi" not in page.text
