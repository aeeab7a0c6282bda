"""The front door: logging in, staying in, logging out everywhere."""

from datetime import timedelta

import pytest
import time_machine
from django.contrib.sessions.models import Session
from django.test import Client
from django.urls import reverse

from tests.conftest import NOW, Family, logged_in
from tests.factories import PASSWORD
from tests.families.conftest import text_of

pytestmark = pytest.mark.django_db
LOGIN = "/connexion/"


def log_in(login: str, password: str = PASSWORD, client: Client | None = None, **data):
    return (client or Client()).post(LOGIN, {"login": login, "password": password} | data)


@pytest.mark.parametrize("login", ["roux", "ROUX", "roux@example.org", " Roux@Example.org "])
def test_a_parent_logs_in_by_identifiant_or_address(roux: Family, login: str):
    assert log_in(login).url == "/"


def test_the_page_names_its_fields_and_ways_out(client, town):
    page = text_of(client.get(LOGIN))
    for words in (
        "Identifiant",
        "Mot de passe",
        "Se connecter",
        "Identifiant ou mot de passe oublié ?",
        "Créer un compte famille",
    ):
        assert words in page


def test_a_wrong_password_and_an_unknown_login_get_the_same_words(roux: Family):
    wrong, unknown = log_in("roux", "faux"), log_in("personne", "faux")
    sentence = "Identifiant ou mot de passe incorrect."
    assert sentence in text_of(wrong)
    assert sentence in text_of(unknown)


def test_five_wrong_passwords_close_the_door_for_a_while(roux: Family):
    for _ in range(5):
        log_in("roux", "faux")
    refused = log_in("roux")
    assert "Trop d'essais de connexion" in text_of(refused)
    assert refused.wsgi_request.user.is_anonymous
    # Only that account, and only for five minutes.
    with time_machine.travel(NOW + timedelta(minutes=6)):
        assert log_in("roux").status_code == 302


def test_too_many_posts_get_a_french_429(client, roux: Family, settings):
    settings.ACCOUNT_RATE_LIMITS = settings.ACCOUNT_RATE_LIMITS | {"login": "2/m/ip"}
    statuses = [log_in("roux").status_code for _ in range(3)]
    assert statuses == [302, 302, 429]
    assert "Trop de demandes en peu de temps" in text_of(log_in("roux"))


def test_the_admin_has_no_door_of_its_own(client, agent, town):
    assert client.get("/mairie/").url.startswith("/mairie/login/")
    assert client.get("/mairie/login/?next=/mairie/").url == "/connexion/?next=%2Fmairie%2F"
    posted = client.post("/mairie/login/", {"username": "agent", "password": PASSWORD})
    assert posted.url.startswith("/connexion/")
    for _ in range(5):
        log_in("agent", "faux")
    assert "Trop d'essais de connexion" in text_of(log_in("agent", next="/mairie/"))


def test_the_desk_changes_a_password_where_everybody_does(agent, town):
    client = logged_in(agent)
    new = "girafe sous la pluie 7"
    typed = {"old_password": PASSWORD, "new_password1": new, "new_password2": new}
    for answer in (client.get("/mairie/password_change/"), client.post("/mairie/password_change/", typed)):
        assert answer.url == "/mon-mot-de-passe/"
    assert client.get("/mon-mot-de-passe/").status_code == 200
    agent.refresh_from_db()
    assert agent.check_password(PASSWORD)


def test_a_family_does_not_enter_the_town_hall(roux: Family):
    client = roux.client()
    assert client.get("/mairie/login/").status_code == 403
    assert client.get("/mairie/").status_code == 302


def test_login_leads_back_to_where_one_was_going(roux: Family):
    assert log_in("roux", next="/foyer/").url == "/foyer/"
    assert log_in("roux", next="https://evil.example/").url == "/"


def test_a_session_lasts_from_breakfast_to_bedtime(roux: Family):
    client = Client()
    log_in("roux", client=client)
    for hours, status in ((17, 200), (19, 302)):
        with time_machine.travel(NOW + timedelta(hours=hours)):
            assert client.get("/foyer/").status_code == status


def test_logging_out_takes_a_post(roux: Family):
    client = roux.client()
    assert client.get("/deconnexion/").status_code == 200
    assert client.post("/deconnexion/").url == LOGIN
    assert client.get("/foyer/").url == "/connexion/?next=/foyer/"


def test_log_out_everywhere_ends_every_device(roux: Family, second_guardian: Client):
    phone, computer = roux.client(), roux.client()
    assert computer.get("/deconnexion/partout/").status_code == 200
    assert computer.post("/deconnexion/partout/").url == LOGIN
    assert phone.get("/foyer/").status_code == computer.get("/foyer/").status_code == 302
    roux.user.refresh_from_db()
    assert roux.client().get("/foyer/").status_code == 200, "and may come back"
    assert second_guardian.get("/foyer/").status_code == 200, "the other guardian stays"


def test_a_new_password_ends_the_other_devices_and_is_told(roux: Family, commit, letters):
    phone, computer = roux.client(), roux.client()
    new = "girafe sous la pluie 7"
    with commit():
        done = computer.post(
            "/mon-mot-de-passe/", {"oldpassword": PASSWORD, "password1": new, "password2": new}
        )
    assert done.url == "/"
    assert phone.get("/foyer/").status_code == 302
    assert computer.get("/foyer/").status_code == 200
    assert [(letter.to, letter.subject) for letter in letters] == [
        (["roux@example.org"], "Votre mot de passe a été modifié")
    ]
    assert new not in letters[0].body


@pytest.mark.parametrize(
    ("password", "advice"),
    [
        ("court", "au minimum 12 caractères"),
        ("motdepasse2026", "trop facile à deviner"),
        ("azertyuiop123", "trop facile à deviner"),
        ("roux@example.org", "trop"),
        ("aaaaaaaaaaaaaaa", "répétitions"),
    ],
)
def test_weak_passwords_are_refused_with_advice(roux: Family, password: str, advice: str):
    page = roux.client().post(
        "/mon-mot-de-passe/", {"oldpassword": PASSWORD, "password1": password, "password2": password}
    )
    assert advice in text_of(page)


def test_an_inactive_account_is_told_so(roux: Family):
    roux.user.is_active = False
    roux.user.save()
    answer = log_in("roux")
    assert answer.url == reverse("account_inactive")
    assert "désactivé" in text_of(Client().get(answer.url))


def test_nothing_of_a_session_is_left_after_logging_out(roux: Family):
    client = roux.client()
    client.post("/deconnexion/")
    assert Session.objects.count() == 0


@pytest.mark.parametrize(
    "name",
    [
        "account_login",
        "account_signup",
        "account_reset_password",
        "account_reset_password_done",
        "account_reset_password_from_key_done",
        "account_email_verification_sent",
        "account_inactive",
    ],
)
def test_pages_before_login_are_open_to_all(client, town, name: str, django_assert_max_num_queries):
    with django_assert_max_num_queries(4):
        assert client.get(reverse(name)).status_code == 200
