"""Money that goes back, accounts it goes to, lists of many families: the régie proves again who asks."""

from datetime import date
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from billing.admin.reminders import stamp_of
from billing.models import BillingSettings, DebitFile, Invoice, Mandate, OnlinePayment, Payment
from families.models import User
from tests.factories import PASSWORD, InvoiceFactory

pytestmark = pytest.mark.django_db
AGAIN = "/confirmer-mon-identite/"
IBAN = "FR7630006000011234567890189"


@pytest.fixture(autouse=True)
def asks(settings: Any) -> None:
    settings.ASK_AGAIN = True


@pytest.fixture
def pages(books, now, regie: User) -> dict[str, str]:
    """An address of each kind that asks again."""
    said = {"household": books.household, "amount": 5}
    paid = Payment.objects.create(
        **said,
        number="R2026-1",
        series="R",
        year=2026,
        sequence=1,
        means="cash",
        paid_on=now.date(),
        recorded_at=now,
    )
    online = OnlinePayment.objects.create(
        **said, reference="P26AGAIN", provider="demo", started_at=now, expires_at=now
    )
    mandate = Mandate.objects.create(
        household=books.household, rum="A", debtor="X", iban=IBAN, signed_on=date(2026, 9, 2)
    )
    debits = DebitFile.objects.create(
        message="M1", collected_on=now.date(), made_by=regie, made_at=now, content="<xml/>"
    )
    BillingSettings.objects.get_or_create(pk=1)
    return {
        "refund": f"/mairie/billing/payment/{paid.pk}/rembourser/",
        "online refund": f"/mairie/billing/onlinepayment/{online.pk}/rembourser/",
        "the town's account": "/mairie/billing/billingsettings/1/change/",
        "a family's account": f"/mairie/billing/mandate/{mandate.pk}/change/",
        "a new mandate": "/mairie/billing/mandate/add/",
        "families' accounts": f"/mairie/billing/debitfile/{debits.pk}/fichier/",
        "tax certificates": reverse("admin:billing_payment_tax_zip", args=[2026]),
        "letters": reverse("admin:billing_invoice_letters", args=[stamp_of(now)]),
    }


NAMES = (
    "refund",
    "online refund",
    "the town's account",
    "a family's account",
    "a new mandate",
    "families' accounts",
    "tax certificates",
    "letters",
)


@pytest.mark.parametrize("name", NAMES)
def test_a_page_asks_again_and_leads_back(name: str, pages: dict[str, str], chief_client: Client):
    asked = chief_client.get(pages[name])
    assert asked.status_code == 302
    assert asked.url.startswith(AGAIN)
    back = chief_client.post(AGAIN, {"password": PASSWORD, "next": pages[name]})
    assert back.url == pages[name]
    after = chief_client.get(pages[name])
    assert not after.headers.get("Location", "").startswith(AGAIN)


@pytest.mark.parametrize("name", NAMES[:2])
def test_who_may_not_is_refused_before_being_asked(name: str, pages: dict[str, str], agent_client: Client):
    assert agent_client.get(pages[name]).status_code == 403


@pytest.mark.parametrize("action", ["download_pdfs", "download_csv", "download_lines", "download_xlsx"])
def test_exports_of_invoices_ask_again_then_come(action: str, books, chief_client: Client):
    invoice = InvoiceFactory(household=books.household)
    where = "/mairie/billing/invoice/?q=roux"
    posted = {"action": action, "_selected_action": invoice.pk}
    asked = chief_client.post(where, posted)
    assert asked.url.startswith(AGAIN)
    page = chief_client.post(AGAIN, {"password": PASSWORD, "next": where})
    assert page.context["where"] == where
    file = chief_client.post(where, dict(page.context["fields"]))
    assert "attachment" in file["Content-Disposition"]
    assert Invoice.objects.count() == 1


@pytest.mark.parametrize("action", ["download_csv", "download_xlsx"])
def test_exports_of_payments_ask_again(action: str, pages: dict[str, str], chief_client: Client):
    posted = {"action": action, "_selected_action": Payment.objects.get().pk}
    assert chief_client.post("/mairie/billing/payment/", posted).url.startswith(AGAIN)
