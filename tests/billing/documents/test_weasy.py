"""The invoice on paper: its QR code, one page, and the same bytes for the same invoice."""

import hashlib
import io
from datetime import date
from decimal import Decimal

import pytest
from django.template.loader import render_to_string
from django.utils.html import conditional_escape
from pypdf import PdfReader

from billing.documents import pdf
from billing.invoices import invoicing
from billing.invoices.creditable import Wanted
from billing.models import BillingSettings, Invoice, InvoicePdf
from billing.payments import paying
from billing.reminders import reminder_letters
from tests.billing.conftest import END_OF_NOVEMBER, LATE, NOVEMBER


@pytest.fixture
def invoice(month, books, settings):
    settings.PORTAL_URL, settings.PAYMENT_PROVIDER = "https://famille.ville.example/", "demo"
    BillingSettings(iban="FR76 1234", cheque_payable_to="Régie restauration", recourse="Deux mois.").save()
    invoicing.issue(invoicing.start(NOVEMBER, by=None, at=END_OF_NOVEMBER), at=END_OF_NOVEMBER)
    return Invoice.objects.get(household=books.household)


def test_the_code_leads_to_the_invoice_s_pay_page(invoice, settings):
    page = f"https://famille.ville.example/factures/regler/?facture={invoice.pk}"
    settings.PORTAL_URL, settings.DEMO = "https://moved.ville.example", False
    assert pdf.pay_url(invoice) == page
    text = PdfReader(io.BytesIO(pdf.render(invoice))).pages[0].extract_text()
    assert f"facture={invoice.pk}" in text.replace("\n", "")


@pytest.mark.parametrize("port", [8000, 8113, 9001])
def test_the_demonstrations_code_leads_to_where_it_is_served(invoice, settings, port):
    settings.PORTAL_URL, settings.DEMO = f"http://127.0.0.1:{port}", True
    assert pdf.pay_url(invoice) == f"http://127.0.0.1:{port}/factures/regler/?facture={invoice.pk}"


def test_the_calculation_of_each_price_is_on_paper_as_on_screen(invoice):
    paper = render_to_string("billing/invoice.html", pdf.context(invoice))
    explained = [line.explanation for line in invoice.lines.all()]
    assert explained and all(explained)
    assert all(conditional_escape(words) in paper for words in explained)


def test_once_paid_the_paper_says_on_which_day(invoice, private):
    household = invoice.household
    paying.record(household, Decimal(5), "cash", paid_on=date(2026, 12, 1), by=None, at=LATE)
    paying.record(household, invoice.total - 5, "cheque", paid_on=date(2026, 12, 9), by=None, at=LATE)
    kept = pdf.stored(invoice, at=LATE)
    text = PdfReader(io.BytesIO(pdf.read(kept))).pages[0].extract_text()
    assert "Payée le 9 décembre 2026" in text
    assert "Talon" not in text and "Comment payer" not in text
    kept.file.storage.delete(kept.file.name)
    kept = InvoicePdf.objects.get()
    assert hashlib.sha256(pdf.read(kept)).hexdigest() == kept.sha256, "lost, it is printed alike"


def test_one_printed_before_invoices_bore_who_signs_is_printed_alike_too(invoice, private, monkeypatch):
    said = pdf.context
    signed = lambda *given: said(*given) | {"issuer": invoice.issuer | {"signatory": "La régisseuse"}}  # noqa: E731
    monkeypatch.setattr(pdf, "context", signed)
    before = pdf.render(invoice, signed=False)
    assert pdf.render(invoice) != before
    kept = pdf.stored(invoice, at=END_OF_NOVEMBER)
    kept.sha256 = hashlib.sha256(before).hexdigest()
    kept.file.storage.delete(kept.file.name)
    assert pdf.read(kept) == before


def words(content):
    return " ".join(PdfReader(io.BytesIO(content)).pages[0].extract_text().split())


def test_a_paper_printed_before_it_was_paid_says_so_afterwards(invoice, private):
    """Every invoice is printed as it is issued: the copy follows the money, the kept file stays."""
    kept = pdf.stored(invoice, at=END_OF_NOVEMBER)
    assert pdf.as_it_stands(invoice, at=END_OF_NOVEMBER) == pdf.read(kept)
    paying.record(invoice.household, Decimal("5"), "cash", paid_on=date(2026, 12, 1), by=None, at=LATE)
    part = words(pdf.as_it_stands(invoice, at=LATE))
    assert "Déjà payé 5,00 €" in part and "Reste à payer 7,80 €" in part and "Talon" in part
    assert "situation au 4 janvier 2027" in part
    paying.record(invoice.household, Decimal("7.80"), "cash", paid_on=date(2026, 12, 9), by=None, at=LATE)
    whole = words(pdf.as_it_stands(invoice, at=LATE))
    assert "Payée le 9 décembre 2026" in whole
    assert "Talon" not in whole and "Comment payer" not in whole
    assert hashlib.sha256(pdf.read(kept)).hexdigest() == kept.sha256


def test_a_credit_note_is_on_it_too_and_nothing_is_asked_that_is_not_due(invoice, private):
    pdf.stored(invoice, at=END_OF_NOVEMBER)
    invoicing.credit(invoice, Wanted(amount=Decimal("3.20")), reason="Repas non servi", by=None, at=LATE)
    part = words(pdf.as_it_stands(invoice, at=LATE))
    assert "Avoir 3,20 €" in part and "Reste à payer 9,60 €" in part
    invoicing.credit(invoice, Wanted(amount=Decimal("9.60")), reason="Repas non servis", by=None, at=LATE)
    whole = words(pdf.as_it_stands(invoice, at=LATE))
    assert "Plus rien n’est dû" in whole and "Talon" not in whole and "Payée" not in whole


def test_no_paper_sends_anybody_to_a_tobacconist_without_the_code_he_scans(invoice):
    BillingSettings.objects.update(tobacconist=True)
    issuer = invoicing.issuer_of(BillingSettings.current()) | {"tobacconist": "oui"}
    invoice.issuer = issuer
    paper = render_to_string("billing/invoice.html", pdf.context(invoice))
    assert "buraliste" not in paper
    assert "buraliste" not in str(reminder_letters.means(issuer, invoice.number))


def test_a_code_has_white_around_it_and_every_dark_module_once():
    side, path = pdf.code("https://famille.ville.example/factures/regler/?facture=1234")
    lengths = [int(run.partition("h")[2]) for run in path.split("M")[1:]]
    dark = sum(
        module & 1
        for row in pdf.segno.make_qr(
            "https://famille.ville.example/factures/regler/?facture=1234", error="m"
        ).matrix
        for module in row
    )
    assert sum(lengths) == dark
    assert path.startswith(f"M{pdf.QR_MARGIN} {pdf.QR_MARGIN}.5h7")
    assert side == 33 + 2 * pdf.QR_MARGIN


def test_without_online_payment_or_once_paid_there_is_no_code(invoice):
    assert pdf.context(invoice, pdf.Settled(invoice.total))["code"] is None
    invoice.issuer["portal"] = ""
    assert pdf.context(invoice)["code"] is None


def test_what_is_paid_is_not_asked_for_again(invoice):
    def printed(paid):
        return render_to_string("billing/invoice.html", pdf.context(invoice, pdf.Settled(paid)))

    nothing = invoice.total - invoice.total
    for asked in ("Comment payer", "FR76 1234", "Talon à joindre au chèque"):
        assert asked in printed(nothing)
        assert asked in printed(invoice.total / 2), "half of it is left"
        assert asked not in printed(invoice.total)
    assert "Facture payée : plus rien n’est dû." in printed(invoice.total)
    assert "Facture payée" not in printed(nothing)


def test_a_usual_month_is_one_tagged_page_printed_alike_twice(invoice):
    content = pdf.render(invoice)
    reader = PdfReader(io.BytesIO(content))
    assert len(reader.pages) == 1
    assert reader.trailer["/Root"]["/MarkInfo"]["/Marked"]
    assert reader.trailer["/Root"]["/Lang"] == "fr"
    assert pdf.render(invoice) == content
