"""What a family sees of its money, and nobody else."""

import hashlib
import io
from datetime import date
from decimal import Decimal

import pytest
from django.test import Client
from django.urls import reverse
from pypdf import PdfReader

from billing.invoices import invoicing
from billing.models import BillingSettings, Invoice, InvoicePdf
from billing.payments import paying
from tests.billing.conftest import END_OF_DECEMBER, END_OF_NOVEMBER, NOVEMBER

D = Decimal
NBSP = "\N{NO-BREAK SPACE}"


@pytest.fixture
def invoice(month, books, private):
    BillingSettings(
        siret="21780006600014",
        iban="FR76 1234",
        cheque_payable_to="Régie restauration",
        recourse="Deux mois.",
    ).save()
    invoicing.issue(invoicing.start(NOVEMBER, by=None, at=END_OF_NOVEMBER), at=END_OF_NOVEMBER)
    return Invoice.objects.get(household=books.household)


def test_home_shows_the_invoice_its_dialog_and_what_is_left(invoice, books_client):
    said = books_client.get("/").content.decode()
    assert "Novembre 2026" in said and "F2026-000001" in said
    assert f"</strong> · 12,80{NBSP}€" in said and "d'ici le 30 décembre" in said
    assert "Détail de la facture" in said
    detail = books_client.get(reverse("billing:invoice", args=[invoice.pk])).content.decode()
    assert "2, 3, 5 et 6 novembre" in detail and "Sans justificatif de quotient" in detail
    assert 'class="said said--due"' in said


def test_home_says_what_will_stand_there_when_there_is_nothing_yet(books_client, books):
    assert "Votre première facture arrivera ici" in books_client.get("/").content.decode()


def test_a_payment_and_its_state_are_shown(invoice, books, books_client):
    paying.record(
        books.household, D("12.80"), "cheque", paid_on=date(2026, 12, 1), by=None, at=END_OF_DECEMBER
    )
    said = books_client.get("/").content.decode()
    assert 'class="said said--paid"' in said and 'class="said said--validated"' in said
    detail = books_client.get(reverse("billing:invoice", args=[invoice.pk])).content.decode()
    assert "Chèque du mardi 1er décembre 2026, reçu n°&nbsp;R2026-000001" in detail


def test_an_unpaid_invoice_after_its_date_is_late(invoice):
    found = Invoice.objects.with_balance().get(pk=invoice.pk)
    assert found.state_on(date(2027, 3, 1)) == "overdue"
    assert found.state_on(date(2026, 12, 1)) == "due"


def test_what_is_late_is_not_asked_for_before_a_day_that_is_past(invoice, books, books_client, time_machine):
    pages = [reverse(f"billing:{name}") for name in ("invoices", "pay")]
    pages += [reverse("billing:invoice", args=[invoice.pk])]
    home = books_client.get("/").content.decode()
    assert "Au plus tard le mercredi 30 décembre" in home and "d'ici le 30 décembre" in home
    for page in pages:
        assert "au plus tard le mercredi 30 décembre 2026" in books_client.get(page).content.decode()
    time_machine.move_to(END_OF_DECEMBER)
    books_client = books.client()
    home = books_client.get("/").content.decode()
    assert "Depuis le mercredi 30 décembre" in home and "d'ici le" not in home
    for page in pages:
        said = books_client.get(page).content.decode()
        assert "depuis le mercredi 30 décembre 2026" in said and "au plus tard le mercredi 30" not in said
    paying.record(
        books.household, D("12.80"), "cheque", paid_on=date(2026, 12, 31), by=None, at=END_OF_DECEMBER
    )
    for page in pages:
        assert "mercredi 30 décembre 2026" not in books_client.get(page).content.decode()


@pytest.mark.parametrize("name", ["invoice", "invoice_pdf"])
def test_somebody_else_s_invoice_does_not_exist(invoice, stranger_client, name):
    address = reverse(f"billing:{name}", args=[invoice.pk])
    assert stranger_client.get(address).status_code == 404
    assert Client().get(address).status_code == 302


def test_the_list_shows_only_one_s_own(invoice, books_client, stranger_client):
    address = reverse("billing:invoices")
    assert "F2026-000001" in books_client.get(address).content.decode()
    assert "F2026" not in stranger_client.get(address).content.decode()


def test_the_pdf_says_all_that_an_invoice_must_say(invoice, books_client):
    answer = books_client.get(reverse("billing:invoice_pdf", args=[invoice.pk]))
    assert answer["Content-Type"] == "application/pdf"
    kept = InvoicePdf.objects.get()
    with kept.file.open("rb") as file:
        reader = PdfReader(file)
        said = " ".join(reader.pages[0].extract_text().split())
        assert len(reader.pages) == 1
        assert reader.metadata.title == "Facture F2026-000001 – Valmirelle-les-Prés"
        assert reader.trailer["/Root"]["/MarkInfo"]["/Marked"]
        assert reader.trailer["/Root"]["/Lang"] == "fr"
    for words in (
        "F2026-000001", "SIRET 21780006600014", "Camille Roux", "Lina Roux", "2, 3, 5 et 6 novembre",
        "12,80 €", "novembre 2026", "FR76 1234", "Régie restauration", "Deux mois.", "sans justificatif",
    ):  # fmt: skip
        assert words in said.replace(NBSP, " "), words


def test_the_printed_invoice_stays_the_same_whatever_happens_later(invoice, books, books_client):
    address = reverse("billing:invoice_pdf", args=[invoice.pk])
    first = books_client.get(address).content
    books.guardian.last_name = "Autre"
    books.guardian.save()
    assert books_client.get(address).content == first
    paying.record(books.household, D(5), "cash", paid_on=date(2026, 12, 1), by=None, at=END_OF_DECEMBER)
    now = PdfReader(io.BytesIO(books_client.get(address).content)).pages[0].extract_text()
    assert "Camille Roux" in now and "Déjà payé" in now
    assert InvoicePdf.objects.get().sha256 == hashlib.sha256(first).hexdigest()


def test_a_lost_file_is_printed_again_alike(invoice, books_client, private):
    address = reverse("billing:invoice_pdf", args=[invoice.pk])
    first = books_client.get(address).content
    (private / InvoicePdf.objects.get().file.name).unlink()
    assert books_client.get(address).content == first
    assert (private / InvoicePdf.objects.get().file.name).exists()


def test_a_file_that_changed_is_not_given_out(invoice, books_client, private):
    address = reverse("billing:invoice_pdf", args=[invoice.pk])
    books_client.get(address)
    (private / InvoicePdf.objects.get().file.name).write_bytes(b"%PDF-1.7 autre chose")
    answer = books_client.get(address, follow=True)
    assert "a été modifié" in answer.content.decode()


def test_a_lost_file_that_cannot_be_made_alike_is_told(invoice, books_client, private):
    address = reverse("billing:invoice_pdf", args=[invoice.pk])
    books_client.get(address)
    kept = InvoicePdf.objects.get()
    (private / kept.file.name).unlink()
    InvoicePdf.objects.update(sha256="0" * 64)
    assert "introuvable" in books_client.get(address, follow=True).content.decode()


def test_the_page_of_a_household_is_read_in_the_same_number_of_queries_for_ten_invoices(
    invoice, books_client, books, django_assert_max_num_queries
):
    books_client.get(reverse("billing:invoices"))  # what every process keeps for half a minute is read
    # One of them asks which offered places have run out, as every page does.
    with django_assert_max_num_queries(9):
        books_client.get(reverse("billing:invoices"))
