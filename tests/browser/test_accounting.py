"""A month at the desk, from the roll to the accountant's files, by the visible names."""

import io
import zipfile
from datetime import date
from decimal import Decimal

import pytest
from playwright.sync_api import Page, expect

from billing.models import FormulaTariff, Invoice, Tariff, TariffBand
from tests.factories import BookingFactory

DAYS = [date(2026, 11, day) for day in (2, 3, 5)]


@pytest.fixture
def ate(transactional_db, canteen, books, waits):
    """Lina and Noé have three meals reserved in November, at 3.20 €."""
    tariff = Tariff.objects.create(code="repas", name="Repas", kind="flat")
    TariffBand.objects.create(tariff=tariff, prices={"": "3.20"})
    FormulaTariff.objects.create(formula=canteen.formula, tariff=tariff)
    for family in (books, waits):
        for day in DAYS:
            BookingFactory(enrolment=family.enrolment, day=day)


def call_the_roll(page: Page) -> None:
    """The school was on strike on the 5th: Lina did not come."""
    page.goto("/mairie/")
    page.get_by_role("link", name="Pointer les présences").click()
    page.get_by_label("Jour").fill(DAYS[-1].isoformat())
    page.get_by_role("button", name="Afficher").click()
    page.get_by_role("list", name="Formules").get_by_role("link").first.click()
    lina = page.get_by_role("group", name="Roux Lina")
    lina.get_by_role("radio", name="Absent").check()
    lina.get_by_role("combobox").select_option(label="Grève")
    page.get_by_role("button", name="Enregistrer la liste").click()
    expect(page.get_by_role("group", name="Roux Lina")).to_contain_text("Absent, justifié")


def bill(page: Page) -> None:
    page.goto("/mairie/")
    page.get_by_role("link", name="Facturer un mois").click()
    page.get_by_role("textbox", name="Mois").fill("2026-11")
    page.get_by_role("button", name="Voir l’aperçu").click()
    preview = page.get_by_role("region", name="Aperçu de novembre 2026")
    expect(preview).to_contain_text("2 factures, 3 lignes")
    expect(preview).to_contain_text("16,00 €")
    assert not Invoice.objects.exists()
    page.get_by_role("button", name="Émettre 2 factures").click()
    expect(page.get_by_text("La facturation a commencé")).to_be_visible()


def choose_all(page: Page, action: str) -> None:
    page.goto("/mairie/billing/invoice/")
    for box in page.locator("input.action-select").all():
        box.check()
    page.get_by_role("combobox", name="Action").select_option(label=action)


def test_the_accountant_goes_from_the_roll_to_the_files(ate, books, agent, regie, open_page, javascript):
    call_the_roll(open_page("agent", javascript=javascript))
    page = open_page("regie", javascript=javascript)
    bill(page)

    # The documents, one and all.
    choose_all(page, "Télécharger les PDF (ZIP)")
    with page.expect_download() as download:
        page.get_by_role("button", name="Envoyer").click()
    archive = zipfile.ZipFile(io.BytesIO(download.value.path().read_bytes()))
    numbers = sorted(Invoice.objects.values_list("number", flat=True))
    assert sorted(archive.namelist()) == [f"{number}.pdf" for number in numbers]
    assert all(archive.read(name).startswith(b"%PDF") for name in archive.namelist())
    choose_all(page, "Télécharger les factures (CSV)")
    with page.expect_download() as download:
        page.get_by_role("button", name="Envoyer").click()
    assert "Roux" in download.value.path().read_text(encoding="utf-8-sig")

    # A family pays at the desk; the day's cash book knows.
    owed = books.household.invoices.get()
    assert owed.total == Decimal("6.40")
    page.goto("/mairie/")
    page.get_by_role("link", name="Encaisser un règlement").click()
    page.get_by_label("Famille").fill(owed.number)
    page.get_by_role("button", name="Chercher", exact=True).click()
    expect(page.get_by_text("reste à payer 6,40 €")).to_be_visible()
    page.get_by_role("button", name="Encaisser et imprimer").click()
    expect(page.get_by_text("Le règlement de 6,40 € est enregistré")).to_be_visible()
    page.goto("/mairie/")
    page.get_by_role("link", name="Journal de caisse").click()
    expect(page.get_by_role("main")).to_contain_text("6,40 €")
