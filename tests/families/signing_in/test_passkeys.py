"""Pages of passkeys: what they say where browsers know none, and whose keys they show."""

import json

import pytest
from allauth.mfa.models import Authenticator
from django.test import Client
from fido2.utils import websafe_encode

from families.models import User
from tests.conftest import Family
from tests.families.conftest import text_of
from tests.families.signing_in.conftest import enrol, log_in

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("now", "town")]
ADD = "/double-authentification/cles/ajouter/"
SENTENCE = "Les clés d'accès ne fonctionnent pas à une adresse faite de chiffres."


WHOLE = {"id": "AAAA", "rawId": "AAAA", "type": "public-key", "clientExtensionResults": {}}
CLIENT = websafe_encode(json.dumps({"type": "webauthn.get", "challenge": "AAAA", "origin": "x"}).encode())
INVENTED = [
    "",
    "x",
    "{}",
    "[]",
    "null",
    '{"id": "AAAA"}',
    json.dumps(WHOLE | {"response": {}}),
    json.dumps(WHOLE | {"response": {"clientDataJSON": "e30", "attestationObject": "AAAA"}}),
    json.dumps(
        WHOLE | {"response": {"clientDataJSON": CLIENT, "authenticatorData": "AAAA", "signature": "A"}}
    ),
]


def passkey(user: User) -> Authenticator:
    key: Authenticator = Authenticator.objects.create(
        user=user, type=Authenticator.Type.WEBAUTHN, data={"name": "Téléphone", "credential": {}}
    )
    return key


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "[::1]:8000", "127.0.0.1"])
def test_at_an_address_of_numbers_the_page_says_so_and_links_to_the_name(roux: Family, host: str, settings):
    settings.ALLOWED_HOSTS = ["127.0.0.1", "[::1]", "localhost", "testserver"]
    page = text_of(log_in(roux.user).get(ADD, HTTP_HOST=host))
    port = ":8000" if host.endswith(":8000") else ""
    assert SENTENCE in page
    assert f'href="http://localhost{port}{ADD}"' in page


def test_where_the_portal_does_not_answer_to_localhost_no_link_leads_there(roux: Family, settings):
    settings.ALLOWED_HOSTS = ["127.0.0.1", "testserver"]
    page = text_of(log_in(roux.user).get(ADD, HTTP_HOST="127.0.0.1:8000"))
    assert SENTENCE in page and "localhost" not in page


@pytest.mark.parametrize("host", ["localhost:8000", "portail.example.org"])
def test_at_a_name_it_says_nothing_of_the_kind(roux: Family, host: str, settings):
    settings.ALLOWED_HOSTS = ["localhost", "portail.example.org", "testserver"]
    page = text_of(log_in(roux.user).get(ADD, HTTP_HOST=host))
    assert SENTENCE not in page
    assert f'"id": "{host.partition(":")[0]}"' in page


def test_an_invented_answer_of_a_key_is_refused(roux: Family):
    client = log_in(roux.user)
    for posted in INVENTED:
        client.get(ADD)
        answer = client.post(ADD, {"name": "Faux", "credential": posted})
        assert answer.status_code == 200
        assert "La clé n'a pas été enregistrée" in text_of(answer)
    assert not Authenticator.objects.exists()


@pytest.mark.parametrize("posted", INVENTED)
def test_an_invented_answer_opens_nothing(agent: User, posted: str):
    enrol(agent)
    client: Client = log_in(agent)
    answer = client.post("/connexion/double-authentification/", {"credential": posted})
    assert answer.status_code == 200
    assert "_auth_user_id" not in client.session


def test_a_passkey_is_renamed_and_removed_by_its_owner(roux: Family, stranger: Family, commit, letters):
    key = passkey(roux.user)
    mine, theirs = log_in(roux.user), log_in(stranger.user)
    for page in ("nom", "retirer"):
        assert (
            theirs.post(f"/double-authentification/cles/{key.pk}/{page}/", {"name": "À moi"}).status_code
            == 404
        )
    del mine  # its login waits for the key
    client = Client()
    client.force_login(roux.user)
    client.post("/confirmer-mon-identite/", {"password": "demo-2026-portail", "next": "/"})
    client.post(f"/double-authentification/cles/{key.pk}/nom/", {"name": "Tablette"})
    assert "Tablette" in text_of(client.get("/double-authentification/"))
    with commit():
        client.post(f"/double-authentification/cles/{key.pk}/retirer/")
    assert not Authenticator.objects.exists()
    assert [letter.subject for letter in letters] == ["Double authentification : clé d'accès retirée"]
