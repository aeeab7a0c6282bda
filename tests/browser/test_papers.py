"""A paper from a parent's phone to the desk and back: by visible names, with and without JavaScript."""

from datetime import timedelta

import time_machine
from django.contrib.auth.models import Group
from playwright.sync_api import Page, expect

from families.papers import sending
from tests.browser.conftest import PHONE
from tests.browser.test_absences import photo
from tests.conftest import NOW
from tests.factories import PaperKindFactory, UserFactory
from tests.families.conftest import private_files

__all__ = ["private_files"]


def test_a_paper_is_sent_accepted_and_asked_again_once_it_is_over(
    transactional_db, canteen, books, open_page, javascript
):
    PaperKindFactory(asked_by=[canteen.activity])
    UserFactory(username="agent", is_staff=True).groups.add(Group.objects.get(name="Agent"))
    parent: Page = open_page("roux", size=PHONE, javascript=javascript)
    expect(parent.get_by_text("1 papier à donner")).to_be_visible()
    parent.get_by_role("link", name="Mes papiers").first.click()
    parent.get_by_role("link", name="Envoyer le papier : Attestation d'assurance, Lina").click()
    wrong = {"name": "assurance.pdf", "mimeType": "application/pdf", "buffer": b"no pdf at all"}
    parent.get_by_label("Fichier").set_input_files(wrong)
    parent.get_by_role("button", name="Envoyer à la mairie").click()
    expect(parent.get_by_role("alert")).to_contain_text("n'est pas un PDF")
    camera = parent.get_by_label("Ou prenez-le en photo")
    expect(camera).to_have_attribute("capture", "environment")
    camera.set_input_files(photo())
    parent.get_by_role("button", name="Envoyer à la mairie").click()
    expect(parent.get_by_text("Votre papier est envoyé.")).to_be_visible()
    expect(parent.get_by_text("En attente de la mairie")).to_be_visible()

    agent: Page = open_page("agent", javascript=javascript)
    agent.goto("/mairie/")
    agent.get_by_role("link", name="Papiers à vérifier").click()
    agent.get_by_role("link", name="Attestation d'assurance", exact=True).click()
    agent.get_by_role("button", name="Accepter…").click()
    expect(agent.get_by_label("valable jusqu'au")).to_have_value("2027-08-31")
    agent.get_by_role("button", name="Accepter et prévenir la famille").click()
    expect(agent.get_by_text("1 papier accepté.")).to_be_visible()

    parent.reload()
    expect(parent.get_by_text("Valable jusqu'au 31 août 2027")).to_be_visible()
    expect(parent.get_by_text("Tout est en ordre.")).to_be_visible()

    after = NOW.replace(year=2027, month=9, day=1) + timedelta(days=1)
    with time_machine.travel(after, tick=False):
        assert sending.expire(at=after) == 1
    parent.reload()
    expect(parent.get_by_text("Périmé")).to_be_visible()
    expect(parent.get_by_role("link", name="Envoyer le suivant")).to_be_visible()
