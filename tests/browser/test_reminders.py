"""Who has not paid is reminded, by mail and on paper, by the visible names."""

import io
import zipfile
from datetime import date

import pytest
from playwright.sync_api import Page, Route, expect

from billing.models import Invoice, InvoiceNotice, ReminderLetter
from billing.reminders import reminding
from tests.billing.conftest import private
from tests.browser.conftest import EVERY_WAY
from tests.browser.looking import faults
from tests.factories import InvoiceFactory

__all__ = ["private"]

UNPAID = "/mairie/billing/invoice/?etat=retard"


@pytest.fixture
def unpaid(transactional_db, private, books, waits):
    """Both families should have paid in October; the one that waits has no address."""
    for family in (books, waits):
        InvoiceFactory(household=family.household, payer=str(family.guardian), due_on=date(2026, 10, 30))
    waits.user.email = ""
    waits.user.save()


def ask(page: Page) -> None:
    """From the list of what is unpaid to the preview."""
    page.goto(UNPAID)
    for box in page.locator("input.action-select").all():
        box.check()
    page.get_by_role("combobox", name="Action").select_option(label="Relancer…")
    page.get_by_role("button", name="Envoyer").click()
    preview = page.get_by_role("region", name="Aperçu")
    expect(preview).to_contain_text("2 foyers, 2 factures en retard")


def archive(page: Page, link: str, row: str) -> list[str]:
    """The names in the ZIP that a link of a row gives; each is a PDF."""
    with page.expect_download() as download:
        page.get_by_role("listitem").filter(has_text=row).get_by_role("link", name=link).click()
    found = zipfile.ZipFile(io.BytesIO(download.value.path().read_bytes()))
    assert all(found.read(name).startswith(b"%PDF") for name in found.namelist())
    return found.namelist()


@EVERY_WAY
def test_the_accountant_goes_from_the_unpaid_to_the_letters(
    unpaid, books, waits, regie, open_page, javascript, size, mailoutbox
):
    page = open_page("regie", javascript=javascript, size=size)
    ask(page)
    expect(page.get_by_role("heading", name="Sans adresse e-mail : 1 lettre à poster")).to_be_visible()
    assert mailoutbox == [] and not InvoiceNotice.objects.exists()
    page.get_by_role("button", name="Relancer 2 foyers").click()

    expect(page.get_by_role("heading", name="2 foyers relancés")).to_be_visible()
    assert [mail.to for mail in mailoutbox] == [[books.user.email]]
    letters = [f"relance-{family.household.number}.pdf" for family in (books, waits)]
    assert archive(page, "un PDF par foyer", "2 foyers, tous") == letters
    assert archive(page, "un PDF par foyer", "sans adresse e-mail") == letters[1:]
    assert archive(page, "à imprimer à la suite", "sans adresse e-mail") == ["lettres-001-a-poster.pdf"]

    page.goto("/mairie/")
    page.get_by_role("link", name="Relancer les impayés").click()
    expect(page.get_by_text("Rien à relancer aujourd’hui.")).to_be_visible()
    page.get_by_role("link", name="Relance du").click()
    expect(page.get_by_role("heading", name="2 foyers relancés")).to_be_visible()


def stay(route: Route) -> None:
    """The page as it is, which would load itself anew in the midst of being looked at."""
    answer = route.fetch()
    route.fulfill(response=answer, headers={**answer.headers, "refresh": ""})


def test_the_pages_have_no_barrier(unpaid, regie, now, open_page):
    page = open_page("regie")
    ask(page)
    found = faults(page)
    reminding.remind(list(Invoice.objects.values_list("pk", flat=True)), at=now, by=regie)
    page.route("**/relances/**", stay)
    page.goto("/mairie/billing/invoice/relancer/")
    found += faults(page)
    page.get_by_role("link", name="Relance du").click()
    expect(page.get_by_text("0 lettre imprimée sur 2")).to_be_visible()
    found += faults(page)
    page.unroute("**/relances/**")
    page.get_by_role("button", name="Reprendre l’impression").click()
    expect(page.get_by_role("heading", name="Lettres")).to_be_visible()
    assert ReminderLetter.objects.exclude(sha256="").count() == 2
    found += faults(page)
    assert found == []
