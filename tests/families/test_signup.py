"""« Créer un compte famille », until the town hall has answered."""

import re

import pytest
from allauth.account.models import EmailAddress
from django.contrib.auth.hashers import MD5PasswordHasher
from django.test import Client

from families.forms import SignupForm
from families.models import Child, Guardian, Household, User
from portal import town as portal_town
from tests.conftest import Family
from tests.factories import PASSWORD as PASSWORD_OF_CAST
from tests.families.conftest import text_of

pytestmark = pytest.mark.django_db
SIGNUP = "/creer-un-compte/"
PASSWORD = "girafe sous la pluie 7"
TYPED = {
    "first_name": "Inès",
    "last_name": "Faure",
    "phone": "06 39 98 12 34",
    "street": "3 rue des Lilas",
    "street_more": "",
    "postcode": "01999",
    "city": "Valmirelle-les-Prés",
    "username": "ines.faure",
    "email": "ines@example.org",
    "password1": PASSWORD,
    "password2": PASSWORD,
    "enfants-TOTAL_FORMS": "3",
    "enfants-INITIAL_FORMS": "0",
    "enfants-0-first_name": "Jules",
    "enfants-0-last_name": "Faure",
    "enfants-0-birth_date": "2018-03-02",
    "enfants-1-first_name": "Ana",
    "enfants-1-last_name": "Faure",
    "enfants-1-birth_date": "2020-07-14",
    "enfants-2-first_name": "",
    "enfants-2-last_name": "",
    "enfants-2-birth_date": "",
}


def sign_up(**changed: str):
    return Client().post(SIGNUP, TYPED | changed)


def test_a_household_from_elsewhere_is_not_taken_for_a_resident(now, town):
    type(town).objects.update(address="1 place du Marché\n01999 Valmirelle-les-Prés")
    portal_town.forget()
    sign_up()
    sign_up(postcode="26000", city="Valence", username="autre.faure", email="autre@example.org")
    sign_up(postcode="01998", city=town.name.upper(), username="hameau", email="hameau@example.org")
    assert dict(Household.objects.values_list("postcode", "resident")) == {
        "01999": True,
        "26000": False,
        "01998": True,
    }


@pytest.mark.parametrize(
    ("postcode", "city"),
    [
        ("7500", "Tournai (Belgique)"),
        ("SW1A 1AA", "Londres, Royaume-Uni"),
        ("L-1234", "Luxembourg (Luxembourg)"),
    ],
)
def test_an_address_abroad_names_its_country(now, town, postcode, city):
    assert sign_up(postcode=postcode, city=city).status_code == 302
    assert Household.objects.get().postcode == postcode


@pytest.mark.parametrize("postcode", ["0199", "019999", "O1999"])
def test_a_slip_in_a_french_postcode_is_said_and_nothing_typed_is_lost(now, town, postcode):
    page = text_of(sign_up(postcode=postcode))
    assert "Un code postal français a cinq chiffres." in page
    assert "Tournai (Belgique)" in page
    assert not Household.objects.exists()


def test_a_parent_creates_an_account_confirms_the_address_and_waits(now, town, commit, letters):
    with commit():
        assert sign_up().url == "/creer-un-compte/verifiez-vos-messages/"
    guardian = Guardian.objects.get(user__username="ines.faure")
    assert guardian.household.state == Household.State.REQUESTED
    assert {str(child) for child in guardian.household.children.all()} == {"Jules Faure", "Ana Faure"}
    (letter,) = letters
    assert (letter.to, letter.subject) == (["ines@example.org"], "Confirmez votre adresse e-mail")
    assert PASSWORD not in letter.body

    client = Client()
    refused = client.post("/connexion/", {"login": "ines.faure", "password": PASSWORD})
    assert refused.url == "/creer-un-compte/verifiez-vos-messages/", "not before the address is confirmed"
    link = re.search(r"http://127\.0\.0\.1:8000(/confirmer-mon-adresse/\S+/)", letter.body).group(1)
    assert "ines@example.org" in text_of(client.get(link))
    assert client.post(link).url == "/connexion/"
    assert client.post("/connexion/", {"login": "ines.faure", "password": PASSWORD}).url == "/"
    assert "en attente de validation" in text_of(client.get("/foyer/"))


def test_the_page_asks_for_everything_and_warns_of_a_second_account(client, town):
    page = text_of(client.get(SIGNUP))
    assert "Une personne, un compte." in page
    assert page.count("Date de naissance") == 3
    assert "Ajouter un enfant" in page


def test_one_more_child_without_a_script_loses_nothing_and_judges_nothing(town):
    page = text_of(sign_up(add_child="1", postcode="non"))
    assert User.objects.count() == 0
    assert "enfants-3-first_name" in page and "enfants-4-first_name" not in page
    for typed in ("Jules", "Ana", "2018-03-02", "ines.faure", "3 rue des Lilas", "non"):
        assert f'value="{typed}"' in page
    assert PASSWORD not in page
    assert "is-invalid" not in page


def test_after_adding_a_row_empty_rows_still_count_for_nothing(now, town):
    added = text_of(sign_up(add_child="1"))
    assert 'name="enfants-INITIAL_FORMS" value="0"' in added
    assert sign_up(**{"enfants-TOTAL_FORMS": "4", "enfants-INITIAL_FORMS": "4"}).status_code == 302
    assert Child.objects.count() == 2


@pytest.mark.parametrize("total", ["", "-1", "9999999999", "douze", "12"])
def test_rows_of_children_stay_within_reason(town, total: str):
    page = text_of(sign_up(add_child="1", **{"enfants-TOTAL_FORMS": total}))
    assert "enfants-0-first_name" in page
    assert "enfants-12-first_name" not in page


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"postcode": "0199"}, "cinq chiffres"),
        ({"phone": "appelez-moi"}, "numéro de téléphone"),
        ({"password2": "autre chose 12"}, "mot de passe"),
        ({"password1": "motdepasse12", "password2": "motdepasse12"}, "trop facile à deviner"),
        ({"username": "mairie"}, "réservé"),
        ({"username": "abc"}, "4"),
        ({"email": "pas une adresse"}, "adresse"),
        ({"enfants-0-birth_date": "2030-01-01"}, "dans le futur"),
        ({"enfants-0-birth_date": "1980-01-01"}, "Vérifiez l'année"),
        ({"enfants-0-birth_date": "hier"}, "date valide"),
        ({"enfants-1-first_name": ""}, "Champ à remplir : prénom."),
        ({"enfants-TOTAL_FORMS": "beaucoup"}, "au moins un enfant"),
        ({"first_name": "x" * 81}, "80"),
    ],
)
def test_mistakes_are_said_and_nothing_is_created(now, town, changed, said):
    page = sign_up(**changed)
    assert page.status_code == 200
    assert said in text_of(page)
    assert User.objects.count() == Household.objects.count() == Child.objects.count() == 0
    if "street" not in changed:
        assert 'value="3 rue des Lilas"' in text_of(page)


def test_a_family_needs_a_child(now, town):
    nobody = {key: "" for key in TYPED if key.startswith("enfants-") and key[8].isdigit()}
    assert sign_up(**nobody).status_code == 200
    assert User.objects.count() == 0


def test_a_known_address_is_not_given_away_and_gets_no_second_account(roux: Family, commit, letters):
    with commit():
        assert sign_up(email="Roux@example.org").url == "/creer-un-compte/verifiez-vos-messages/"
    assert User.objects.count() == 1
    assert [(letter.to, letter.subject) for letter in letters] == [
        (["roux@example.org"], "Vous avez déjà un compte")
    ]


def test_a_known_address_takes_as_long_as_a_new_one(roux: Family, monkeypatch):
    """Hashing is slow on purpose: whoever hashes nothing answers ten times sooner."""
    hashed = []
    encode = MD5PasswordHasher.encode
    monkeypatch.setattr(MD5PasswordHasher, "encode", lambda *given: hashed.append(given) or encode(*given))
    assert sign_up(email="roux@example.org").status_code == 302
    known = len(hashed)
    assert sign_up().status_code == 302
    assert known == len(hashed) - known == 1


@pytest.mark.parametrize(
    ("quicker", "told"),
    [
        ({}, "/creer-un-compte/verifiez-vos-messages/"),
        ({"username": "ines.bis"}, "/creer-un-compte/verifiez-vos-messages/"),
        ({"email": "autre@example.org"}, None),
    ],
    ids=["two clicks", "the same address", "the same identifiant"],
)
def test_of_two_accounts_asked_for_at_the_same_moment_the_second_finds_the_first(
    now, town, monkeypatch, quicker, told
):
    save = SignupForm.save

    def save_too_late(form, request):
        monkeypatch.setattr(SignupForm, "save", save)
        sign_up(**quicker)
        return save(form, request)

    monkeypatch.setattr(SignupForm, "save", save_too_late)
    answer = sign_up()
    assert answer.headers.get("Location") == told
    assert told or "déjà pris" in text_of(answer)
    assert User.objects.count() == Household.objects.count() == 1


def test_a_taken_identifiant_is_said(roux: Family):
    assert "déjà pris" in text_of(sign_up(username="ROUX"))


def test_creations_are_limited(now, town, settings):
    settings.ACCOUNT_RATE_LIMITS = settings.ACCOUNT_RATE_LIMITS | {"signup": "2/h/ip"}
    assert [sign_up(postcode="x").status_code for _ in range(3)] == [200, 200, 429]


# E-mail change --------------------------------------------------------------------------------------


def confirmation_in(letter) -> str:
    return re.search(r"http://127\.0\.0\.1:8000(/confirmer-mon-adresse/\S+/)", letter.body).group(1)


def ask_for(client: Client, email: str) -> None:
    """Asks for a new address, and gives the password that is asked for first."""
    asked = client.post("/mon-adresse-e-mail/", {"email": email, "action_add": ""})
    client.post(asked.url, {"password": PASSWORD_OF_CAST, "next": "/mon-adresse-e-mail/"})


def test_a_new_address_counts_once_confirmed_there(roux: Family, commit, letters):
    client = roux.client()
    with commit():
        ask_for(client, "nouvelle@example.org")
    (letter,) = letters
    assert letter.to == ["nouvelle@example.org"]
    roux.user.refresh_from_db()
    assert roux.user.email == "roux@example.org"
    letters.clear()
    with commit():
        assert client.post(confirmation_in(letter)).status_code == 302
    roux.user.refresh_from_db()
    assert roux.user.email == "nouvelle@example.org"
    assert [(told.to, told.subject) for told in letters] == [
        (["roux@example.org"], "Votre adresse e-mail a été modifiée")
    ], "the old address is told"
    assert list(EmailAddress.objects.filter(user=roux.user).values_list("email", "verified", "primary")) == [
        ("nouvelle@example.org", True, True)
    ]


def test_the_password_is_asked_again_and_what_was_typed_goes_on(roux: Family, commit, letters):
    client = roux.client()
    asked = client.post("/mon-adresse-e-mail/", {"email": "nouvelle@example.org", "action_add": ""})
    assert asked.url.startswith("/confirmer-mon-identite/")
    assert "Confirmer mon identité" in text_of(client.get(asked.url))
    with commit():
        client.post(asked.url, {"password": PASSWORD_OF_CAST, "next": "/mon-adresse-e-mail/"})
    assert [letter.to for letter in letters] == [["nouvelle@example.org"]]


def test_an_address_taken_meanwhile_is_refused_without_a_crash(
    roux: Family, stranger: Family, commit, letters
):
    client = roux.client()
    with commit():
        ask_for(client, "nouvelle@example.org")
    stranger.user.email = "nouvelle@example.org"
    stranger.user.save()
    answer = client.post(confirmation_in(letters[0]), follow=True)
    assert answer.status_code == 200
    roux.user.refresh_from_db()
    assert roux.user.email == "roux@example.org"


@pytest.mark.parametrize("typed", ["morel@example.org", "Morel@ｅxample.org"])
def test_anothers_address_gets_no_link_and_its_owner_is_told(
    roux: Family, stranger: Family, commit, letters, typed: str
):
    client = roux.client()
    with commit():
        ask_for(client, typed)
    with commit():
        client.post("/mon-adresse-e-mail/", {"email": "morel@example.org", "action_send": ""})
    (letter,) = letters
    assert (letter.to, letter.subject) == (["morel@example.org"], "Votre adresse est celle de votre compte")
    assert "/confirmer-mon-adresse/" not in letter.body and "roux" not in letter.body
    page = text_of(client.get("/mon-adresse-e-mail/"))
    assert "Nous avons écrit à" in page, "and the page tells no more than of any other address"


def test_a_confirmation_link_serves_once(roux: Family, commit, letters):
    client = roux.client()
    with commit():
        ask_for(client, "nouvelle@example.org")
    link = confirmation_in(letters[0])
    client.post(link)
    assert "n'est plus valable" in text_of(Client().get(link))
    assert Client().post(link).status_code == 404
