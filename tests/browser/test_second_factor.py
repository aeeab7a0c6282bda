"""An agent sets a second factor up and logs in with it: an application that counts, then a passkey."""

import re

import pytest
from playwright.sync_api import Page, expect

from families.models import User
from tests.browser.conftest import PHONE
from tests.browser.journeys import follow
from tests.browser.looking import faults
from tests.factories import PASSWORD
from tests.families.signing_in.conftest import code

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def demanded(settings, town) -> None:
    settings.STAFF_SECOND_FACTOR = settings.ASK_AGAIN = True


def give_password(page: Page, user: User) -> None:
    page.goto("/mairie/")
    page.get_by_label("Identifiant").fill(user.username)
    page.get_by_label("Mot de passe", exact=True).fill(PASSWORD)
    follow(page.get_by_role("button", name="Se connecter"))


def leave(page: Page) -> None:
    page.goto("/deconnexion/")
    follow(page.get_by_role("main").get_by_role("button", name="Se déconnecter"))


def test_an_agent_logs_in_with_an_application_without_javascript(agent, open_page):
    page = open_page(size=PHONE, javascript=False)
    give_password(page, agent)
    expect(page.get_by_role("heading", name="Double authentification")).to_be_visible()
    page.get_by_role("link", name="Ajouter une application").click()
    key = page.locator(".copied-key").inner_text().replace(" ", "")
    page.get_by_label("Code affiché par l'application").fill(code(secret=key))
    page.get_by_role("button", name="Mettre en service").click()
    expect(page.locator(".recovery-codes li")).to_have_count(10)
    page.get_by_role("link", name="Entrer dans l'administration").click()
    expect(page).to_have_url(re.compile("/mairie/$"))
    leave(page)
    give_password(page, agent)
    page.get_by_label("Code").fill("000000")
    page.get_by_role("button", name="Se connecter").click()
    expect(page.get_by_role("alert")).to_contain_text("Ce code n'est pas le bon")
    page.get_by_label("Code").fill(code(secret=key))
    page.get_by_role("button", name="Se connecter").click()
    expect(page).to_have_url(re.compile("/mairie/$"))


def test_an_agent_logs_in_with_a_passkey(agent, open_page):
    page = open_page()
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    key = {"protocol": "ctap2", "transport": "internal", "hasUserVerification": True, "isUserVerified": True}
    session.send("WebAuthn.addVirtualAuthenticator", {"options": key})
    give_password(page, agent)
    seen = faults(page)
    follow(page.get_by_role("link", name="Ajouter une application"))
    seen += faults(page)
    page.go_back()
    follow(page.get_by_role("link", name="Ajouter une clé d'accès"))
    seen += faults(page)
    page.get_by_label("Nom de cette clé").fill("Clé du guichet")
    page.get_by_role("button", name="Créer la clé").click()
    expect(page.locator(".recovery-codes li")).to_have_count(10)
    seen += faults(page)
    leave(page)
    give_password(page, agent)
    expect(page.get_by_role("button", name="Utiliser ma clé d'accès")).to_be_visible()
    seen += faults(page)
    page.get_by_role("button", name="Utiliser ma clé d'accès").click()
    expect(page).to_have_url(re.compile("/mairie/$"))
    page.locator(".desk-account > summary").click()
    page.get_by_role("link", name="Double authentification").click()
    expect(page.get_by_text("Clé du guichet").first).to_be_visible()
    follow(page.get_by_role("link", name="Renommer Clé du guichet"))
    seen += faults(page)
    page.goto("/confirmer-mon-identite/cle/?next=/mairie/")
    seen += faults(page)
    page.get_by_role("button", name="Utiliser ma clé d'accès").click()
    expect(page).to_have_url(re.compile("/mairie/$"))
    assert seen == []


def test_what_was_asked_for_goes_on_after_the_proof(agent, chief, open_page, settings, javascript):
    settings.STAFF_SECOND_FACTOR = False
    page = open_page("chief", javascript=javascript)
    page.goto("/mairie/families/staffmember/")
    page.locator(f"input.action-select[value='{agent.pk}']").check()
    page.get_by_role("combobox", name="Action").select_option(label="Fin de fonctions…")
    page.get_by_role("button", name="Envoyer").click()
    page.get_by_label("Mot de passe", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Confirmer").click()
    if not javascript:
        page.get_by_role("button", name="Continuer").click()
    expect(page).to_have_url(re.compile("/mairie/families/staffmember/$"))
    page.get_by_label("Motif").fill("Mutation")
    page.get_by_role("button", name="Mettre fin aux accès").click()
    expect(page.get_by_text("Fin de fonctions : 1 agent prévenu par message.")).to_be_visible()


def test_typing_before_the_script_has_come_loses_nothing(open_page):
    page = open_page()
    held = []
    page.route("**/js/password*.js", lambda route: held.append(route))
    page.goto("/connexion/", wait_until="commit")
    page.get_by_label("Mot de passe", exact=True).focus()
    page.keyboard.type("demi-")
    [script] = held
    script.continue_()
    expect(page.get_by_role("button", name="Afficher le mot de passe")).to_be_visible()
    page.keyboard.type("mot")
    expect(page.locator("#id_password")).to_have_value("demi-mot")
