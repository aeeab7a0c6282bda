"""A family reads its credit notes, on a page and on paper; others do not find them."""

import io
from datetime import date
from decimal import Decimal

import pytest
from django.urls import reverse
from django.utils import timezone
from pypdf import PdfReader

from billing.documents import credit_notes, pdf
from billing.invoices.creditable import Wanted
from billing.models import CreditNote, Invoice
from billing.payments import crediting, paying

D = Decimal


@pytest.fixture
def note(owes):
    """Three of four meals, 9,60, of an invoice of which 6,40 are paid: 6,40 less to pay, 3,20 freed."""
    paying.record(owes.household, D("6.40"), "cash", paid_on=date(2026, 12, 1), by=None, at=timezone.now())
    invoice = Invoice.objects.get(household=owes.household)
    items = frozenset(invoice.lines.get().items.order_by("pk").values_list("pk", flat=True)[:3])
    return crediting.credit(
        invoice, Wanted(items=items), reason="Grève", becomes="refunded", by=None, at=timezone.now()
    )


def text_of(content):
    return " ".join(page.extract_text() for page in PdfReader(io.BytesIO(content)).pages).replace("\xa0", " ")


def test_it_is_found_from_the_invoice_the_list_and_the_account(note, owes):
    client, page = owes.client(), reverse("billing:credit_note", args=[note.number])
    for where in (
        reverse("billing:invoice", args=[note.invoice_id]),
        reverse("billing:invoices"),
        reverse("billing:account"),
    ):
        assert page in client.get(where).content.decode()
    shown = client.get(page).content.decode().replace("\xa0", " ")
    assert "2, 3 et 5 novembre" in shown and "Grève" in shown and "9,60 €" in shown
    assert "6,40 € ne sont plus à payer" in shown
    assert "3,20 € étaient déjà payés : la mairie vous les rembourse." in shown


@pytest.mark.parametrize("name", ["credit_note", "credit_note_pdf"])
def test_it_is_nobody_else_s(note, stranger_client, name):
    assert stranger_client.get(reverse(f"billing:{name}", args=[note.number])).status_code == 404


def test_its_paper_says_the_same_and_is_always_the_same(note, owes):
    answer = owes.client().get(reverse("billing:credit_note_pdf", args=[note.number]))
    text = text_of(answer.content)
    for said in ("A2026-000001", "F2026-000001", "2, 3 et 5 novembre", "Motif : Grève", "Total de l’avoir"):
        assert said in text
    assert credit_notes.render(CreditNote.objects.get()) == answer.content


def test_an_invoice_settled_by_a_credit_note_and_a_payment_says_when_it_was_paid(note, private):
    text = text_of(pdf.read(pdf.stored(note.invoice, at=timezone.now())))
    assert "Payée le 1er décembre 2026" in text and "Avoir" in text and "Talon" not in text
