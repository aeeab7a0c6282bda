"""What the law keeps of an erased family is found by its number, by the régie alone, and that is noted."""

import pytest

from billing.invoices import invoicing
from billing.models import Invoice, Payment
from billing.payments import paying
from families.models import Reading
from families.privacy import erasing
from tests.billing.conftest import END_OF_NOVEMBER, NOVEMBER
from tests.families.conftest import text_of

LIST = "/mairie/billing/invoice/"


@pytest.fixture
def gone(month, books, private) -> Invoice:
    """The paid invoice of a family that was erased since."""
    invoicing.issue(invoicing.start(NOVEMBER, by=None, at=END_OF_NOVEMBER), at=END_OF_NOVEMBER)
    invoice = Invoice.objects.get(household=books.household)
    paying.record(
        books.household, invoice.total, "cash", paid_on=END_OF_NOVEMBER.date(), by=None, at=END_OF_NOVEMBER
    )
    erasing.erase(erasing.household_leaving(books.household), why="desk", by=None, at=END_OF_NOVEMBER)
    return invoice


def test_no_list_and_no_name_leads_there(gone, waits, regie_client):
    for words in ("", "Roux", gone.household.number):
        page = text_of(regie_client.get(LIST, {"q": words, "mois": ""}))
        assert gone.number not in page
    assert "Petit" in text_of(regie_client.get(LIST))
    receipt = Payment.objects.get(household=gone.household_id).number
    assert receipt not in text_of(regie_client.get("/mairie/billing/payment/"))


def test_its_number_does_and_each_look_is_noted(gone, regie, regie_client):
    assert gone.payer in text_of(regie_client.get(LIST, {"q": gone.number}))
    assert not Reading.objects.exists()
    assert gone.payer in text_of(regie_client.get(f"{LIST}{gone.pk}/change/"))
    regie_client.get(f"{LIST}{gone.pk}/pdf/")
    noted = Reading.objects.filter(kind=Reading.Kind.KEPT_DOCUMENT)
    assert [(row.reader, row.what) for row in noted] == [(regie, f"n° {gone.number}")] * 2


def test_receipts_alike(gone, regie_client):
    payment = Payment.objects.get(household=gone.household_id)
    found = regie_client.get("/mairie/billing/payment/", {"q": payment.number})
    assert payment.number in text_of(found)
    assert regie_client.get(f"/mairie/billing/payment/{payment.pk}/change/").status_code == 200
    assert Reading.objects.get().what == f"n° {payment.number}"


def test_agents_and_families_find_nothing(gone, agent_client, waits_client):
    for where in (LIST, f"{LIST}{gone.pk}/change/", f"{LIST}{gone.pk}/pdf/"):
        assert agent_client.get(where, {"q": gone.number}).status_code == 403
    assert waits_client.get(f"/factures/{gone.pk}/").status_code == 404


def test_documents_of_others_are_read_without_a_line(gone, waits, regie_client):
    other = Invoice.objects.get(household=waits.household)
    regie_client.get(f"{LIST}{other.pk}/change/")
    assert not Reading.objects.exists()
