"""« Identifiant ou mot de passe oublié ? »"""

import re
import statistics
import time
from datetime import timedelta

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from families.models import User
from tests.conftest import NOW, Family
from tests.factories import PASSWORD, UserFactory
from tests.families.conftest import text_of

pytestmark = pytest.mark.django_db
FORGOTTEN = "/mot-de-passe-oublie/"
NEW = "girafe sous la pluie 7"


def ask(email: str):
    return Client().post(FORGOTTEN, {"email": email})


def link_in(letter) -> str:
    return re.search(r"https?://\S+(/mot-de-passe-oublie/\S+-\S+/)", letter.body).group(1)


def choose(link: str, password: str = NEW):
    client = Client()
    form_page = client.get(link, follow=True)
    if not form_page.redirect_chain:
        return form_page
    return client.post(form_page.redirect_chain[-1][0], {"password1": password, "password2": password})


def test_the_letter_holds_the_identifiant_and_a_link_never_a_password(roux: Family, commit, letters):
    with commit():
        assert ask("Roux@example.org").url == "/mot-de-passe-oublie/envoye/"
    (letter,) = letters
    assert letter.to == ["roux@example.org"]
    assert "Votre identifiant\u00a0: roux" in letter.body
    assert link_in(letter).startswith(FORGOTTEN)
    html = letter.alternatives[0][0]
    for text in (letter.body, html):
        assert PASSWORD not in text
        assert "http://127.0.0.1:8000/mot-de-passe-oublie/" in text


def test_the_link_serves_once_and_opens_the_account(roux: Family, commit, letters):
    phone = roux.client()
    with commit():
        ask("roux@example.org")
    link = link_in(letters[0])
    assert choose(link).url == "/mot-de-passe-oublie/modifie/"
    assert "n'est plus valable" in text_of(choose(link))
    assert phone.get("/foyer/").status_code == 302, "every device is logged out"
    client = Client()
    assert client.post("/connexion/", {"login": "roux", "password": NEW}).url == "/"


def test_the_link_expires_after_an_hour(roux: Family, commit, letters):
    with commit():
        ask("roux@example.org")
    with time_machine.travel(NOW + timedelta(minutes=61)):
        assert "n'est plus valable" in text_of(choose(link_in(letters[0])))


@pytest.mark.parametrize("link", ["1-abc", "zzz-c3p-0000", "0-set-password", "-1-2"])
def test_invented_links_open_nothing(town, link: str):
    page = Client().get(f"{FORGOTTEN}{link}/")
    assert page.status_code in (200, 404)
    if page.status_code == 200:
        assert "n'est plus valable" in text_of(page)


def test_an_unknown_address_gets_the_same_answer_and_a_letter_without_link(town, commit, letters):
    with commit():
        known_or_not = ask("personne@example.org")
    assert known_or_not.url == "/mot-de-passe-oublie/envoye/"
    assert [letter.subject for letter in letters] == ["Aucun compte pour cette adresse"]


def test_known_and_unknown_addresses_take_the_same_work_and_time(roux: Family, settings):
    """Everything that depends on the address is left to the worker."""
    settings.TASKS = {
        "default": {"BACKEND": "django_tasks.backends.dummy.DummyBackend", "QUEUES": ["default", "mail"]}
    }
    settings.ACCOUNT_RATE_LIMITS = {}
    seconds: dict[str, list[float]] = {"roux@example.org": [], "rien@example.org": []}
    queries: dict[str, list[str]] = {}
    client = Client()
    client.get(FORGOTTEN)
    for _ in range(15):
        for email, taken in seconds.items():
            with CaptureQueriesContext(connection) as seen:
                began = time.perf_counter()
                client.post(FORGOTTEN, {"email": email})
                taken.append(time.perf_counter() - began)
            queries[email] = [query["sql"] for query in seen.captured_queries]
    assert queries["roux@example.org"] == queries["rien@example.org"]
    known, unknown = (statistics.median(taken) for taken in seconds.values())
    assert abs(known - unknown) < max(known, unknown)


def test_asking_again_and_again_is_stopped_whatever_the_address(roux: Family):
    for email in ("roux@example.org", "rien@example.org"):
        assert [ask(email).status_code for _ in range(4)] == [302, 302, 302, 429]


def test_an_address_that_proves_itself_needs_no_second_letter(roux: Family, commit, letters):
    UserFactory(username="invite", email="invite@example.org", verified_address=False)
    with commit():
        ask("invite@example.org")
    choose(link_in(letters[0]))
    assert Client().post("/connexion/", {"login": "invite", "password": NEW}).url == "/"


def test_a_closed_account_gets_no_link(roux: Family, commit, letters):
    User.objects.filter(pk=roux.user.pk).update(is_active=False)
    with commit():
        ask("roux@example.org")
    assert [letter.subject for letter in letters] == ["Aucun compte pour cette adresse"]


@pytest.mark.parametrize(
    "email", ["", "pas une adresse", "a@b", "x" * 5000 + "@example.org", "\x00@example.org"]
)
def test_what_is_no_address_is_said_so(town, email: str):
    assert ask(email).status_code == 200
