"""The town's own words in the portal's letters, and those that stay as they are."""

import pytest

from portal.letters import mailing, wordings
from portal.models import LetterWording, Town
from tests.conftest import logged_in
from tests.factories import UserFactory

ASKED = "families/change_requested"
LIST = "/mairie/portal/letterwording/"


def rendered(kind=ASKED, name="Camille"):
    return mailing.render(kind, {"name": name, "change": {"get_kind_display": "Adresse"}})


def test_a_town_that_wrote_none_says_what_it_always_said_and_asks_nothing(town, django_assert_num_queries):
    mailing.render("account/password_changed", {"name": ""})
    with django_assert_num_queries(0):
        assert wordings.of(ASKED) == wordings.NONE


def test_subject_first_and_last_sentence_of_one_letter_and_of_all(town):
    usual = rendered()
    LetterWording.objects.create(kind=ASKED, subject="{commune} : {objet}", opening="Merci {prénom}.")
    LetterWording.objects.create(kind="", opening="Ici la mairie.", closing="<b>Ouvert</b> le mercredi.")
    subject, text, html = rendered()
    assert subject == f"{town.name} : {usual[0]}"
    assert (
        text.index("Bonjour Camille")
        < text.index("Merci Camille.")
        < text.index("<b>Ouvert</b> le mercredi.")
    )
    assert "Ici la mairie" not in text, "its own word comes first"
    assert "&lt;b&gt;Ouvert&lt;/b&gt;" in html
    assert text.index("mercredi") < text.index("--")


def test_letters_of_accounts_never_change(town):
    before = mailing.render("account/password_changed", {"name": ""})
    LetterWording.objects.create(kind="", closing="Cliquez ici.")
    assert mailing.render("account/password_changed", {"name": ""}) == before
    assert not any(kind.startswith("account/") for kind in wordings.kinds())


def test_the_last_one_gone_all_is_as_before(town):
    row = LetterWording.objects.create(kind="", closing="Bonne rentrée.")
    assert Town.objects.get().own_letter_words
    row.delete()
    assert not Town.objects.get().own_letter_words
    assert "rentrée" not in rendered()[1]


def test_every_letter_has_a_name(town):
    assert wordings.kinds()["families/paper_asked"] == "La mairie vous demande un papier"
    assert all(label.strip(" …") for label in wordings.kinds().values()), wordings.kinds()


def test_the_desk_refuses_an_unknown_variable_and_an_unknown_letter_by_name(chief_client, town):
    said = {"kind": "", "subject": "", "opening": "Bonjour {clase}", "closing": ""}
    page = chief_client.post(f"{LIST}add/", said).content.decode()
    assert "La variable {clase}" in page
    page = chief_client.post(f"{LIST}add/", said | {"opening": "", "kind": "families/rien"}).content.decode()
    assert "errorlist" in page
    assert not LetterWording.objects.exists()
    chief_client.post(f"{LIST}add/", said | {"opening": "Ici {service}."})
    page = chief_client.get(f"{LIST}{LetterWording.objects.get().pk}/change/").content.decode()
    assert f"Ici {town.service}." in page


@pytest.mark.parametrize("path", ["", "add/"])
def test_it_is_for_who_heads_the_service(agent_client, path, db):
    assert agent_client.get(f"{LIST}{path}").status_code == 403
    assert logged_in(UserFactory(is_staff=True)).get(f"{LIST}{path}").status_code == 403
