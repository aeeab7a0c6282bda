"""Guide part 6.3 in a real browser: from « Payer en ligne » to the bank and back, whatever the bank says."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from billing.models import Invoice
from tests.browser.journeys import follow
from tests.browser.looking import faults
from tests.factories import GuardianFactory, HouseholdFactory, InvoiceFactory, TownFactory, UserFactory
from tests.fakes.stripe_server import SECRET, FakeStripe

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def owing(transactional_db):
    """A family with two invoices to pay: 12.80 and 20.00."""
    TownFactory()
    household = HouseholdFactory()
    GuardianFactory(
        household=household, user=UserFactory(username="roux"), first_name="Camille", last_name="Roux"
    )
    for month, total in ((10, "12.80"), (11, "20.00")):
        InvoiceFactory(
            household=household,
            month=date(2026, month, 1),
            total=Decimal(total),
            due_on=timezone.localdate() + timedelta(days=20),
        )
    return household


def to_the_bank(open_page, javascript):
    """Both invoices, up to the bank's page."""
    page = open_page("roux", javascript=javascript)
    page.get_by_role("link", name="Payer en ligne").click()
    expect(page.get_by_role("heading", name="Règlement de factures")).to_be_visible()
    if javascript:
        expect(page.get_by_text("À payer : 32,80 €")).to_be_visible()
        page.get_by_role("checkbox").first.uncheck()
        expect(page.get_by_text("À payer : 20,00 €")).to_be_visible()
        page.get_by_role("checkbox").first.check()
    page.get_by_role("button", name="Suivant").click()
    expect(page.get_by_text("Montant à débiter : 32,80 €")).to_be_visible()
    page.get_by_role("link", name="Retour", exact=True).click()
    expect(page.get_by_role("checkbox").first).to_be_checked()
    page.get_by_role("button", name="Suivant").click()
    page.get_by_role("button", name="Payer 32,80 €").click()
    return page


def unpaid(household):
    return [one.left for one in Invoice.objects.with_balance().filter(household=household, left__gt=0)]


@pytest.fixture
def demo(settings):
    settings.PAYMENT_PROVIDER = "demo"


def test_the_bank_accepts(owing, demo, open_page, javascript):
    page = to_the_bank(open_page, javascript)
    page.get_by_role("button", name="Accepter le paiement").click()
    expect(page.get_by_role("status")).to_contain_text("Merci ! Votre paiement de 32,80 € est validé.")
    page.get_by_role("link", name="Retour à l'accueil").last.click()
    page.get_by_text("Règlements, autres factures").click()
    expect(page.get_by_role("list", name="Règlements").get_by_text("Validé")).to_be_visible()
    expect(page.get_by_role("link", name="Payer en ligne")).to_have_count(0)
    assert unpaid(owing) == []


def test_the_bank_refuses(owing, demo, open_page, javascript):
    page = to_the_bank(open_page, javascript)
    page.get_by_role("button", name="Refuser le paiement").click()
    expect(page.get_by_role("status")).to_contain_text("La banque a refusé")
    page.goto("/")
    expect(
        page.get_by_role("list", name="Paiements en ligne").get_by_text("Refusé par la banque")
    ).to_be_visible()
    expect(page.get_by_role("link", name="Payer en ligne")).to_be_visible()
    assert len(unpaid(owing)) == 2


def test_the_bank_takes_its_time_then_accepts(owing, demo, open_page, javascript):
    page = to_the_bank(open_page, javascript)
    page.get_by_role("button", name="Laisser en attente").click()
    expect(page.get_by_role("status")).to_contain_text("attend la validation")
    page.goto("/")
    waiting = page.get_by_role("list", name="Paiements en ligne")
    expect(waiting.get_by_text("En attente de validation par la banque")).to_be_visible()
    assert len(unpaid(owing)) == 2
    waiting.get_by_role("link", name="Consulter").click()
    page.get_by_role("link", name="Banque de démonstration").click()
    page.get_by_role("button", name="Accepter le paiement").click()
    expect(page.get_by_role("status")).to_contain_text("Merci")
    assert unpaid(owing) == []


def test_a_tab_closed_at_the_bank_is_taken_up_again(owing, demo, open_page, javascript):
    bank = to_the_bank(open_page, javascript)
    expect(bank.get_by_role("button", name="Accepter le paiement")).to_be_visible()
    bank.close()
    page = open_page("roux", javascript=javascript)
    page.get_by_role("list", name="Paiements en ligne").get_by_role("link", name="Reprendre").click()
    page.get_by_role("button", name="Abandonner ce paiement").click()
    expect(page.get_by_role("status")).to_contain_text("abandonné")
    page.get_by_role("link", name="Payer à nouveau").click()
    expect(page.get_by_role("checkbox")).to_have_count(2)


def test_no_page_on_the_way_has_a_barrier(owing, demo, open_page):
    page = open_page("roux")
    follow(page.get_by_role("link", name="Payer en ligne"))
    found = faults(page)
    for button in ("Suivant", "Payer 32,80 €", "Laisser en attente"):
        follow(page.get_by_role("button", name=button))
        found += faults(page)
    for address in ("/", "/factures/regler/", "/factures/regler/recapitulatif/?facture=x"):
        page.goto(address)
        found += faults(page)
    assert found == []


@pytest.fixture
def stripe(settings, live_server):
    with FakeStripe().running() as fake:
        settings.PAYMENT_PROVIDER = "stripe"
        settings.PORTAL_URL = live_server.url
        settings.STRIPE_API_BASE = fake.url
        settings.STRIPE_SECRET_KEY = "rk_test_1"
        settings.STRIPE_WEBHOOK_SECRETS = [SECRET]
        fake.webhook = f"{live_server.url}/factures/notifications/stripe/"
        yield fake


def test_another_site_s_page_a_signed_notification_and_back(owing, stripe, open_page, javascript):
    page = to_the_bank(open_page, javascript)
    page.wait_for_url(f"{stripe.url}/page/**")
    page.get_by_role("button", name="Payer").click()
    expect(page.get_by_role("status")).to_contain_text("Merci ! Votre paiement de 32,80 € est validé.")
    assert unpaid(owing) == []
    assert [event["type"] for event in stripe.events] == ["checkout.session.completed"]


def test_back_from_another_site_without_paying(owing, stripe, open_page, javascript):
    page = to_the_bank(open_page, javascript)
    page.wait_for_url(f"{stripe.url}/page/**")
    page.get_by_role("link", name="Revenir sans payer").click()
    expect(page.get_by_role("status")).to_contain_text("n'est pas terminé")
    page.get_by_role("link", name="Reprendre le paiement").click()
    page.wait_for_url(f"{stripe.url}/page/**")
    page.get_by_role("button", name="Prélever").click()
    expect(page.get_by_role("status")).to_contain_text("attend la validation")
    stripe.bank_says("cs_test_1", paid=True)
    page.reload()
    expect(page.get_by_role("status")).to_contain_text("Merci")
