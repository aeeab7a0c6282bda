"""A mistyped address is corrected where the account was made: no second household, no link left behind."""

from datetime import timedelta

import pytest
import time_machine
from allauth.account.models import EmailAddress
from django.contrib.auth.hashers import MD5PasswordHasher
from django.test import Client

from families import login_names
from families.models import Child, Guardian, Household, User
from tests.conftest import NOW, Family
from tests.factories import UserFactory
from tests.families.conftest import text_of
from tests.families.test_login import log_in
from tests.families.test_signup import PASSWORD, SIGNUP, TYPED, confirmation_in

pytestmark = pytest.mark.django_db
SENT, CORRECT = f"{SIGNUP}verifiez-vos-messages/", f"{SIGNUP}corriger-mon-adresse/"
MISTYPED, RIGHT = "ines@exemple.org", "ines@example.org"


@pytest.fixture
def browser(now, town, commit, letters) -> Client:
    """Inès Faure has just made her account, with a mistake in her address."""
    client = Client()
    with commit():
        assert client.post(SIGNUP, TYPED | {"email": MISTYPED}).url == SENT
    return client


def correct(client: Client, email: str = RIGHT):
    return client.post(CORRECT, {"email": email})


def test_the_page_shows_the_address_that_it_wrote_to(browser: Client):
    page = text_of(browser.get(SENT))
    assert f"Nous avons écrit à <strong>{MISTYPED}</strong>" in page
    assert f'href="{CORRECT}"' in page and "Corriger mon adresse" in page
    assert f'value="{MISTYPED}"' in text_of(browser.get(CORRECT))


def test_the_address_is_corrected_the_first_link_dies_and_the_second_opens(browser: Client, commit, letters):
    first = confirmation_in(letters[0])
    letters.clear()
    with commit():
        assert correct(browser, "Ines@Example.org").url == SENT
    assert RIGHT in text_of(browser.get(SENT))
    assert [letter.to for letter in letters] == [[RIGHT]]
    assert User.objects.get().email == RIGHT
    assert (Household.objects.count(), Guardian.objects.count(), Child.objects.count()) == (1, 1, 2)

    stranger = Client()
    assert "n'est plus valable" in text_of(stranger.get(first))
    assert stranger.post(first).status_code == 404
    assert browser.post(confirmation_in(letters[0])).status_code == 302
    assert list(EmailAddress.objects.values_list("email", "verified")) == [(RIGHT, True)]
    assert log_in("ines.faure", PASSWORD).url == "/"


def test_it_may_be_corrected_back(browser: Client, commit, letters):
    letters.clear()
    for email in (RIGHT, MISTYPED):
        with commit():
            correct(browser, email)
    assert [letter.to for letter in letters] == [[RIGHT], [MISTYPED]]
    assert "est bien votre adresse" in text_of(browser.get(confirmation_in(letters[1])))
    assert "n'est plus valable" in text_of(browser.get(confirmation_in(letters[0])))


def test_it_is_corrected_in_that_browser_only_and_for_an_hour(browser: Client):
    elsewhere = Client()
    for answer in (elsewhere.get(CORRECT), correct(elsewhere)):
        assert answer.url == "/connexion/"
    assert "connectez-vous avec votre identifiant" in text_of(elsewhere.get("/connexion/"))
    assert MISTYPED not in text_of(elsewhere.get(SENT))
    with time_machine.travel(NOW + timedelta(minutes=61)):
        assert correct(browser).url == "/connexion/"
    assert User.objects.get().email == MISTYPED


def test_whoever_logs_in_later_may_correct_it_too(browser: Client, commit, letters):
    with time_machine.travel(NOW + timedelta(days=1)):
        later = Client()
        assert log_in("ines.faure", PASSWORD, later).url == SENT
        with commit():
            assert correct(later).url == SENT
    assert User.objects.get().email == RIGHT
    with time_machine.travel(NOW + timedelta(days=1)):
        wrong = Client()
        log_in("ines.faure", "faux", wrong)
        assert correct(wrong).url == "/connexion/"


def test_a_confirmed_address_is_not_corrected_here(browser: Client, letters):
    Client().post(confirmation_in(letters[0]))
    answer = browser.post(CORRECT, {"email": RIGHT}, follow=True)
    assert "Votre adresse est déjà confirmée" in text_of(answer)
    assert User.objects.get().email == MISTYPED


@pytest.mark.parametrize("email", ["", "pas une adresse", "ines@strauß.example"])
def test_what_is_no_address_is_said_and_changes_nothing(browser: Client, email: str):
    page = correct(browser, email)
    assert page.status_code == 200 and "is-invalid" in text_of(page)
    assert User.objects.get().email == MISTYPED


def test_the_address_of_another_account_is_told_there_and_not_here(browser: Client, commit, letters):
    known = UserFactory(username="voisine", email="voisine@example.org")
    first = confirmation_in(letters[0])
    letters.clear()
    with commit():
        assert correct(browser, "Voisine@example.org").url == SENT
    assert "voisine@example.org" in text_of(browser.get(SENT))
    assert [(letter.to, letter.subject) for letter in letters] == [
        (["voisine@example.org"], "Vous avez déjà un compte")
    ]
    assert Client().post(first).status_code == 404, "the mistyped address is not hers either"
    assert login_names.having_address("voisine@example.org") == [known]
    letters.clear()
    with commit():
        correct(browser)
    assert [letter.to for letter in letters] == [[RIGHT]], "and there is still the right one to give"
    assert User.objects.get(username="ines.faure").email == RIGHT


def test_who_mistyped_into_anothers_address_gets_the_account_once_corrected(roux: Family, commit, letters):
    """The page said the same as to everybody; what was typed was kept, the password as a hash."""
    client = Client()
    with commit():
        assert client.post(SIGNUP, TYPED | {"email": "roux@example.org"}).url == SENT
    assert "roux@example.org" in text_of(client.get(SENT))
    assert PASSWORD not in str(dict(client.session))
    letters.clear()
    with commit():
        assert correct(client).url == SENT
    user = User.objects.get(username="ines.faure")
    assert [letter.to for letter in letters] == [[RIGHT]]
    children = user.guardians.get().household.children
    assert {str(child) for child in children.all()} == {"Jules Faure", "Ana Faure"}
    client.post(confirmation_in(letters[0]))
    assert log_in("ines.faure", PASSWORD).url == "/"
    roux.user.refresh_from_db()
    assert roux.user.email == "roux@example.org"


def test_an_identifiant_taken_meanwhile_is_said(roux: Family):
    client = Client()
    client.post(SIGNUP, TYPED | {"email": "roux@example.org"})
    UserFactory(username="ines.faure", email="autre@example.org")
    assert "Cet identifiant est déjà pris" in text_of(correct(client))


def test_both_cases_take_as_many_hashes(browser: Client, monkeypatch):
    UserFactory(username="voisine", email="voisine@example.org")
    known = Client()
    known.post(SIGNUP, TYPED | {"username": "autre", "email": "voisine@example.org"})
    hashed: list[object] = []
    encode = MD5PasswordHasher.encode
    monkeypatch.setattr(MD5PasswordHasher, "encode", lambda *given: hashed.append(given) or encode(*given))
    for client, email in ((browser, RIGHT), (known, "autre@example.org")):
        assert correct(client, email).url == SENT
        assert len(hashed) == 1
        hashed.clear()


def test_corrections_are_limited(browser: Client, commit, letters):
    letters.clear()
    answers = []
    for number in range(6):
        with commit():
            answers.append(correct(browser, f"ines{number}@example.org").status_code)
    assert answers == [302] * 5 + [429]
    assert len(letters) == 5


def test_an_identifiant_is_no_address(now, town):
    page = Client().post(SIGNUP, TYPED | {"username": "roux@example.org"})
    assert "Un identifiant ne contient pas de « @ »." in text_of(page)
