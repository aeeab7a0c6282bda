"""A paper from a parent's phone to the desk and back: by visible names, with and without JavaScript."""

from datetime import date, timedelta

import time_machine
from django.contrib.auth.models import Group
from django.urls import reverse
from playwright.sync_api import Page, expect

from families.models import Paper
from families.papers import sending
from portal.reservations.models import ActivityPaper
from tests.browser.conftest import PHONE
from tests.browser.looking import violations
from tests.browser.test_absences import photo
from tests.conftest import NOW
from tests.factories import AskedTextFactory, PaperKindFactory, UserFactory
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


def test_without_the_paper_no_day_with_it_the_days_up_to_its_end(
    transactional_db, canteen, books, open_page, javascript, private_files
):
    """From the sentence on the planning to the photo, the answer and the days; then its end, and the next."""
    kind = PaperKindFactory(lasts="own_date")
    ActivityPaper.objects.create(activity=canteen.activity, kind=kind, without=ActivityPaper.Without.PLACE)
    text = AskedTextFactory(everywhere=True)
    agent = UserFactory(username="agent", is_staff=True)
    planning = reverse(
        "catering:planning", args=[books.enrolment.pk, canteen.restaurant.pk, canteen.period.pk]
    )
    parent: Page = open_page("roux", size=PHONE, javascript=javascript)
    parent.goto(planning)
    notice = parent.get_by_role("heading", name="Avant de réserver").locator("..")
    expect(notice).to_contain_text("Attestation d'assurance de Lina : la mairie l'attend.")
    expect(notice).to_contain_text("Règlement intérieur : à lire et à accepter")
    assert not javascript or not violations(parent)
    notice.get_by_role("link", name="Lire et accepter").click()
    expect(parent.get_by_text("L'accueil ouvre à 7 h 30.")).to_be_visible()
    assert not javascript or not violations(parent)
    parent.get_by_label("J'ai lu ce texte et je l'accepte").check()
    parent.get_by_role("button", name="Accepter").click()
    expect(parent.get_by_text("Votre réponse est enregistrée")).to_be_visible()
    assert text.versions.get().answers.get().by == books.user
    parent.goto(planning)
    parent.get_by_role("link", name="Envoyer le papier").click()
    parent.get_by_label("Valable jusqu'au").fill("2026-11-18")
    parent.get_by_label("Ou prenez-le en photo").set_input_files(photo())
    parent.get_by_role("button", name="Envoyer à la mairie").click()
    expect(parent.get_by_text("En attente de la mairie")).to_be_visible()
    parent.goto(planning)
    expect(parent.get_by_text("envoyé, la mairie le vérifie")).to_be_visible()

    paper = Paper.objects.get()
    sending.accept(paper, ends_on=date(2026, 11, 18), by=agent, at=NOW)
    parent.goto(planning)
    expect(parent.get_by_text("valable jusqu'au mercredi 18 novembre 2026")).to_be_visible()
    parent.get_by_role("link", name="Envoyer le papier").click()
    expect(parent.get_by_role("button", name="Envoyer à la mairie")).to_be_visible()

    later = NOW.replace(day=25)
    with time_machine.travel(later, tick=False):
        assert sending.expire(at=later) == 1
    assert Paper.objects.get().state == Paper.State.EXPIRED
    parent.goto(planning)
    expect(parent.get_by_text("Attestation d'assurance de Lina : périmé")).to_be_visible()
