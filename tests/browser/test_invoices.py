"""« Mes Factures & Paiements » by its visible names: the list, the detail, the printed document."""

from datetime import date

from playwright.sync_api import Page, expect

from billing.invoices import invoicing
from billing.invoices.billable import Scope
from billing.models import FormulaTariff, Invoice, Tariff, TariffBand
from tests.browser.conftest import PHONE
from tests.factories import BookingFactory, paris


def billed(family, canteen) -> Invoice:
    """November 2026 of a family that ate three times at 3.20 €."""
    tariff = Tariff.objects.create(code="repas", name="Repas", kind="flat")
    TariffBand.objects.create(tariff=tariff, prices={"": "3.20"})
    FormulaTariff.objects.create(formula=canteen.formula, tariff=tariff)
    for day in (2, 3, 5):
        BookingFactory(enrolment=family.enrolment, day=date(2026, 11, day))
    at = paris(2026, 11, 9, 9)
    return invoicing.issue(invoicing.start(Scope(date(2026, 11, 1)), by=None, at=at), at=at).invoices.get()


def test_a_parent_reads_an_invoice_and_prints_it(transactional_db, canteen, books, open_page, javascript):
    invoice = billed(books, canteen)
    page: Page = open_page("roux", javascript=javascript)
    block = page.get_by_role("region", name="Mes Factures & Paiements")
    expect(block).to_contain_text("Novembre 2026")
    expect(block).to_contain_text("9,60 €")
    expect(block).to_contain_text("À payer")
    block.get_by_role("link", name=f"Consulter la facture n° {invoice.number}").click()
    detail = (
        page.get_by_role("dialog", name="Détail de la facture") if javascript else page.get_by_role("main")
    )
    expect(detail).to_contain_text("Lina Roux")
    expect(detail).to_contain_text("3 × 3,20 €")
    expect(detail).to_contain_text("2, 3 et 5 novembre")
    printed = detail.get_by_role("link", name="Imprimer / enregistrer").get_attribute("href")
    answer = page.request.get(printed)
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.body().startswith(b"%PDF")


def test_a_session_that_expired_leads_to_the_login_instead_of_an_empty_detail(
    transactional_db, canteen, books, open_page
):
    invoice = billed(books, canteen)
    page: Page = open_page("roux", size=PHONE)
    page.context.clear_cookies(name="sessionid")
    page.get_by_role("link", name="Consulter la facture").click()
    page.wait_for_url(f"**/connexion/?next=/factures/{invoice.pk}/")


def test_the_detail_fits_a_phone_and_closes_with_escape(transactional_db, canteen, books, open_page):
    billed(books, canteen)
    page: Page = open_page("roux", size=PHONE)
    page.get_by_role("link", name="Consulter la facture").click()
    dialog = page.get_by_role("dialog", name="Détail de la facture")
    expect(dialog).to_be_visible()
    page.wait_for_load_state()
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
