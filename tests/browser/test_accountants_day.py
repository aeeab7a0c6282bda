"""A day of the accountant at the desk: cash with its receipt, a slip typed wrong, a cheque that bounces, a
credit note on a paid invoice with its refund, a deposit, the closing, a statement for the family."""

import re
from datetime import date
from decimal import Decimal

import pytest
from playwright.sync_api import Page, expect

from billing.documents import verifying
from billing.models import AccountEntry, Invoice, Payment
from tests.billing.conftest import meals, month, owes

D = Decimal
__all__ = ["meals", "month", "owes"]


@pytest.fixture
def day(transactional_db, owes, regie, open_page) -> Page:
    """Both families owe 12.80 for November; it is 1 December 2026."""
    page: Page = open_page("regie")
    return page


def take(page: Page, number: str, means: str, *, amount: str = "", reference: str = "") -> Payment:
    """« Encaisser et imprimer », of who owes that invoice."""
    page.goto("/mairie/")
    page.get_by_role("link", name="Encaisser un règlement").click()
    page.get_by_label("Famille").fill(number)
    page.get_by_role("button", name="Chercher", exact=True).click()
    expect(page.get_by_label("Montant")).to_have_value("12,80")
    if amount:
        page.get_by_label("Montant").fill(amount)
    page.get_by_label("Moyen de paiement").select_option(label=means)
    page.get_by_label("Référence").fill(reference)
    page.get_by_role("button", name="Encaisser et imprimer").click()
    receipt = page.get_by_role("article", name="Quittance")
    expect(receipt).to_contain_text(f"{amount or '12,80'}".replace(".", ","))
    return Payment.objects.latest("pk")


def undo(page: Page, payment: Payment, because: str, *, instead: str = "") -> None:
    """« Annuler ce règlement », from its page."""
    page.goto(f"/mairie/billing/payment/{payment.pk}/change/")
    page.get_by_role("link", name="Annuler ce règlement").click()
    page.get_by_label("Ce qui s'est passé").select_option(label=because)
    page.get_by_label("Motif").fill("Vu avec la famille")
    if instead:
        page.get_by_label("Montant juste").fill(instead)
    page.get_by_role("button", name="Annuler ce règlement").click()
    expect(page.get_by_text("est annulé, sous le n°")).to_be_visible()


def credit_and_refund(page: Page, invoice: Invoice) -> None:
    """Two meals too many of a paid invoice, given back in cash."""
    page.goto(f"/mairie/billing/invoice/{invoice.pk}/change/")
    page.get_by_role("link", name="Émettre un avoir").click()
    page.get_by_label("Un autre montant").check()
    page.get_by_role("textbox", name="Autre montant").fill("6,40")
    page.get_by_label("Rembourser : la page").check()
    page.get_by_label("Motif").fill("Deux repas non servis")
    page.get_by_role("button", name=re.compile("aperçu")).click()
    page.get_by_role("button", name=re.compile("Émettre")).click()
    expect(page.get_by_text(re.compile(r"avoir n°.*6,40.*est émis"))).to_be_visible()
    page.get_by_role("button", name="Rembourser").click()
    expect(page.get_by_text("Le remboursement de 6,40 € est enregistré")).to_be_visible()


def deposit(page: Page) -> None:
    page.goto("/mairie/")
    page.get_by_role("link", name="Remettre chèques et espèces").click()
    page.get_by_role("link", name=re.compile("Chèque")).click()
    page.get_by_role("button", name=re.compile("bordereau")).click()
    expect(page.get_by_text(re.compile("bordereau", re.IGNORECASE)).first).to_be_visible()


def close(page: Page) -> None:
    page.goto("/mairie/")
    page.get_by_role("link", name="Journal de caisse").click()
    expect(page.get_by_role("main")).to_contain_text("6,40 €")
    page.get_by_role("link", name="Clore les comptes").click()
    page.get_by_label("Clore jusqu'au").fill("2026-11-30")
    page.get_by_role("button", name="Clore pour toujours").click()
    expect(page.get_by_text("Comptes clos jusqu’au 30/11/2026").first).to_be_visible()


def statement(page: Page, household) -> None:
    """For the family at the counter: December, from one balance to the other."""
    page.goto(f"/mairie/families/household/{household.pk}/change/")
    page.get_by_role("link", name="Le compte de la famille").click()
    page.get_by_label(re.compile("^Du")).fill("2026-12-01")
    page.get_by_label(re.compile("^Au")).fill("2026-12-31")
    page.get_by_role("button", name="Afficher ces jours").click()
    expect(page.get_by_text("Solde avant le 01/12/2026")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").click()
    rows = download.value.path().read_text(encoding="utf-8-sig").splitlines()
    assert [row.split(";")[2] for row in rows[1:]] == [
        "Solde au début",
        "Règlement",
        "Avoir",
        "Remboursement",
        "Solde à la fin",
    ]
    assert [row.split(";")[-1] for row in rows[1:]] == ["12,80", "0,00", "-6,40", "0,00", "0,00"]


def test_an_accountant_s_day(day, books, waits):
    page = day
    mine, theirs = (Invoice.objects.get(household=one.household) for one in (books, waits))
    take(page, mine.number, "Espèces")
    wrong = take(page, theirs.number, "Chèque", amount="128", reference="chq 7")
    undo(page, wrong, "Montant mal saisi", instead="12,80")
    cheque = Payment.objects.latest("pk")
    assert (cheque.amount, cheque.household_id) == (D("12.80"), waits.household.pk)
    deposit(page)
    undo(page, cheque, "Chèque ou virement rejeté par la banque")
    credit_and_refund(page, mine)
    close(page)
    statement(page, books.household)
    left = Invoice.objects.with_balance().in_bulk([mine.pk, theirs.pk])
    assert (left[mine.pk].left, left[theirs.pk].left) == (0, D("12.80"))
    balances = [AccountEntry.objects.filter(household=one.household).balance() for one in (books, waits)]
    assert balances == [0, D("12.80")]
    assert verifying.verify(files=False).faults == []
    assert Payment.objects.filter(paid_on=date(2026, 12, 1)).count() == 6
