"""A guardian makes the address of a calendar, chooses what it shows, replaces it."""

import icalendar
import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PHONE
from tests.browser.looking import faults
from tests.conftest import THURSDAY
from tests.factories import BookingFactory

pytestmark = pytest.mark.django_db(transaction=True)


def test_an_address_is_made_and_read_by_a_program(canteen, books, open_page, javascript):
    BookingFactory(enrolment=books.enrolment, day=THURSDAY)
    page: Page = open_page("roux", size=PHONE, javascript=javascript)
    page.get_by_text("Menu", exact=True).click()
    page.get_by_role("link", name="Mon agenda").click()
    page.get_by_role("button", name="Créer mon lien").click()
    expect(page.get_by_text("Il ne se montre qu'une fois")).to_be_visible()
    address = page.get_by_label("Ou copiez cette adresse").input_value()
    subscribe = page.get_by_role("link", name="Ajouter à l'agenda de cet appareil").get_attribute("href")
    assert address.endswith(".ics") and subscribe == address.replace("http:", "webcal:")
    if javascript:
        page.get_by_role("button", name="Copier").click()
        expect(page.get_by_role("status")).to_contain_text("opi")
        assert faults(page) == []
    # As a program does: another visitor, who has nothing but the address.
    visitor = open_page().request.get(address)
    assert visitor.status == 200
    (event,) = icalendar.Calendar.from_ical(visitor.body()).walk("VEVENT")
    assert str(event["SUMMARY"]) == "Lina : Repas"
    page.get_by_role("link", name="C'est fait").click()
    page.get_by_role("group", name="Services").get_by_label("Restauration scolaire").uncheck()
    page.get_by_role("group", name="Services").get_by_label("Accueil de loisirs").check()
    page.get_by_role("button", name="Enregistrer").click()
    expect(page.get_by_text("C'est enregistré")).to_be_visible()
    page.get_by_role("button", name="Nouveau lien").click()
    assert page.get_by_label("Ou copiez cette adresse").input_value() != address
    assert open_page().request.get(address).status == 404
