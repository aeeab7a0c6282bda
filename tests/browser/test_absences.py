"""A parent sends a certificate, an agent calls the roll: by visible names, with and without JavaScript."""

import io
from datetime import date

from django.contrib.auth.models import Group
from PIL import Image
from playwright.sync_api import Page, expect

from billing.models import AbsencePolicy
from portal.reservations.models import AbsenceCertificate, Attendance
from tests.browser.conftest import PHONE
from tests.factories import BookingFactory, UserFactory
from tests.families.conftest import private_files

__all__ = ["private_files"]

THURSDAY, FRIDAY = date(2026, 11, 5), date(2026, 11, 6)


def photo() -> dict[str, object]:
    """What a phone makes of a certificate."""
    out = io.BytesIO()
    Image.effect_noise((320, 240), 40).convert("RGB").save(out, "JPEG")
    return {"name": "certificat.jpg", "mimeType": "image/jpeg", "buffer": out.getvalue()}


def test_a_parent_reports_an_absence(transactional_db, canteen, books, open_page, javascript):
    AbsencePolicy.objects.create(within_hours=96, waiting_days=1)
    for day in (THURSDAY, FRIDAY):
        BookingFactory(enrolment=books.enrolment, day=day)
    page: Page = open_page("roux", size=PHONE, javascript=javascript)
    page.get_by_role("link", name="Signaler une absence").click()
    page.get_by_role("link", name="Absences et justificatifs").click()
    page.get_by_role("link", name="Signaler une absence de Lina").click()
    expect(page.get_by_text("le premier jour reste facturé")).to_be_visible()
    page.get_by_label("Premier jour d'absence").fill("2026-11-05")
    page.get_by_label("Dernier jour d'absence").fill("2026-11-06")
    page.get_by_role("button", name="Voir les jours concernés").click()
    concerned = page.get_by_role("list", name="Jours concernés").get_by_role("listitem")
    expect(concerned.nth(0)).to_contain_text("reste facturé")
    expect(concerned.nth(1)).to_contain_text("non facturé")
    wrong = {"name": "certificat.pdf", "mimeType": "application/pdf", "buffer": b"no pdf at all"}
    page.get_by_label("Justificatif").set_input_files(wrong)
    page.get_by_role("button", name="Envoyer le justificatif").click()
    expect(page.get_by_role("alert")).to_contain_text("n'est pas un PDF")
    expect(page.get_by_label("Premier jour d'absence")).to_have_value("2026-11-05")
    page.get_by_label("Justificatif").set_input_files(photo())
    page.get_by_role("button", name="Envoyer le justificatif").click()
    expect(page.get_by_text("Votre justificatif est envoyé.")).to_be_visible()
    sent = page.get_by_role("list", name="Justificatifs envoyés")
    expect(sent).to_contain_text("Lina, du 5 au 6 novembre 2026")
    expect(sent).to_contain_text("En attente de traitement")
    sent.get_by_role("link", name="Retirer le justificatif de Lina du 5 au 6 novembre 2026").click()
    page.get_by_role("button", name="Retirer").click()
    expect(page.get_by_text("Le justificatif est retiré, son fichier est effacé.")).to_be_visible()
    assert not AbsenceCertificate.objects.exists()


def test_an_agent_calls_the_roll_on_a_phone(transactional_db, canteen, books, waits, open_page, javascript):
    UserFactory(username="agent", is_staff=True).groups.add(Group.objects.get(name="Agent"))
    monday = date(2026, 11, 9)
    BookingFactory(enrolment=books.enrolment, day=monday)
    page: Page = open_page("agent", size=PHONE, javascript=javascript)
    page.goto(f"/mairie/reservations/attendance/pointer/?jour={monday}&lieu={canteen.restaurant.pk}")
    lina = page.get_by_role("group", name="Roux Lina")
    expect(lina.get_by_role("radio", name="Présent")).to_be_checked()
    expect(lina.get_by_label("Motif")).to_be_hidden()
    answer = lina.get_by_text("Absent", exact=True)
    assert answer.bounding_box()["height"] >= 44
    answer.click()
    lina.get_by_label("Motif").select_option("Maladie")
    page.get_by_label("Ajouter un enfant venu sans réservation").fill("noé")
    page.get_by_role("button", name="Chercher", exact=True).click()
    page.get_by_label("Noé Petit").check()
    expect(lina.get_by_role("radio", name="Absent")).to_be_checked()
    save = page.get_by_role("button", name="Enregistrer la liste")
    expect(save).to_be_in_viewport()
    save.click()
    expect(page.get_by_text("La liste est enregistrée : 2 changements.")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0] if javascript else True
    found = Attendance.objects.order_by("child__first_name").values_list(
        "child__first_name", "state", "reason"
    )
    assert list(found) == [("Lina", "absent", "illness"), ("Noé", "present", "")]
