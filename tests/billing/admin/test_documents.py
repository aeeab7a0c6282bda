"""The accountant's month: preview, issue, files, a payment at the desk, a credit note."""

import csv
import io
import re
import tracemalloc
import zipfile
from datetime import date, datetime
from decimal import Decimal

import pytest
from django.urls import reverse
from hypothesis import given
from hypothesis.strategies import lists, text
from openpyxl import load_workbook

from billing.documents import files
from billing.invoices import invoicing
from billing.models import BillingRun, CreditNote, Invoice, InvoicePdf, ManualCharge, Payment
from tests.billing.conftest import END_OF_NOVEMBER, NOVEMBER
from tests.conftest import logged_in, on_the_database

pytestmark = pytest.mark.usefixtures("private")

D = Decimal
NBSP = "\N{NO-BREAK SPACE}"
BILL = "admin:billing_billingrun_bill"


@pytest.fixture
def billed(month):
    invoicing.issue(invoicing.start(NOVEMBER, by=None, at=END_OF_NOVEMBER), at=END_OF_NOVEMBER)
    return list(Invoice.objects.order_by("sequence"))


def body(answer):
    return b"".join(answer.streaming_content)


def test_a_month_is_previewed_then_issued_and_printed_by_the_worker(month, regie_client):
    said = {"month": "2026-11", "due_on": "2026-12-31"}
    preview = regie_client.post(reverse(BILL), said).content.decode()
    assert f"25,60{NBSP}€" in preview and "2 factures, 2 lignes" in preview
    assert "Émettre 2 factures" in preview and "pas terminé" in preview
    assert not Invoice.objects.exists()
    answer = regie_client.post(reverse(BILL), said | {"confirmed": "1"})
    run = BillingRun.objects.get()
    assert answer["Location"] == reverse("admin:billing_billingrun_change", args=[run.pk])
    assert (run.state, Invoice.objects.count(), InvoicePdf.objects.count()) == ("done", 2, 2)
    page = regie_client.get(answer["Location"]).content.decode()
    assert "2 sur 2" in page and f"25,60{NBSP}€" in page


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"month": "2027-05", "due_on": "2027-06-01"}, "commencé"),
        ({"month": "novembre", "due_on": "2026-12-31"}, "Écrivez le mois ainsi"),
        ({"month": "0001-01", "due_on": "2026-12-31"}, "Vérifiez l&#x27;année"),
        ({"month": "2026-11", "due_on": "2062-12-31"}, "Vérifiez l&#x27;année"),
        ({"month": "2026-11", "due_on": "2026-01-01"}, "déjà passée"),
        ({"month": "", "due_on": ""}, "obligatoire"),
        ({"month": "2026-11", "due_on": "2026-12-31", "activities": "99999"}, "valide"),
    ],
)
def test_a_month_that_cannot_be_billed_is_explained(month, regie_client, said, message):
    answer = regie_client.post(reverse(BILL), said | {"confirmed": "1"})
    assert answer.status_code == 200
    assert message in answer.content.decode()
    assert not BillingRun.objects.exists()


def test_a_month_already_billed_is_refused(billed, regie_client):
    said = {"month": "2026-11", "due_on": "2026-12-31", "confirmed": "1"}
    assert "déjà facturé" in regie_client.post(reverse(BILL), said).content.decode()


def test_only_who_may_bill_does(month, agent_client, books_client):
    assert agent_client.get(reverse(BILL)).status_code == 403
    assert books_client.get(reverse(BILL)).status_code in (302, 403)


def test_the_list_has_totals_of_what_its_filters_let_through(billed, regie_client):
    answer = regie_client.get(reverse("admin:billing_invoice_changelist"), {"mois": "2026-11"})
    assert answer.context_data["totals"][0] == ("factures", 2)
    assert answer.context_data["totals"][1] == ("facturés", f"25,60{NBSP}€")
    nothing = regie_client.get(reverse("admin:billing_invoice_changelist"), {"etat": "payee"})
    assert nothing.context_data["totals"][0] == ("factures", 0)


def choose(client, action, invoices):
    said = {"action": action, "_selected_action": [invoice.pk for invoice in invoices]}
    return client.post(reverse("admin:billing_invoice_changelist"), said)


def test_a_zip_holds_the_pdf_of_every_invoice_chosen(billed, regie_client):
    archive = zipfile.ZipFile(io.BytesIO(body(choose(regie_client, "download_pdfs", billed))))
    assert archive.namelist() == ["F2026-000001.pdf", "F2026-000002.pdf"]
    assert archive.read("F2026-000001.pdf").startswith(b"%PDF")


def test_a_lost_pdf_is_named_in_the_zip(billed, regie_client, private):
    body(choose(regie_client, "download_pdfs", billed[:1]))
    InvoicePdf.objects.update(sha256="0" * 64)
    archive = zipfile.ZipFile(io.BytesIO(body(choose(regie_client, "download_pdfs", billed))))
    assert archive.namelist() == ["F2026-000002.pdf", "manquantes.txt"]


def sheet_of(content):
    """The rows of a workbook's only sheet, as a spreadsheet reads them."""
    return list(load_workbook(io.BytesIO(content)).active.iter_rows())


def test_csv_and_xlsx_say_what_the_list_says(billed, regie_client):
    text = body(choose(regie_client, "download_csv", billed)).decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text), delimiter=";"))
    assert [(row["Numéro"], row["Total"], row["Reste à payer"]) for row in rows] == [
        ("F2026-000001", "12,80", "12,80"), ("F2026-000002", "12,80", "12,80"),
    ]  # fmt: skip
    lines = body(choose(regie_client, "download_lines", billed)).decode("utf-8-sig")
    assert "Lina Roux" in lines and "02/11/2026, 03/11/2026" in lines
    heading, *shown = sheet_of(body(choose(regie_client, "download_xlsx", billed)))
    assert [cell.value for cell in heading] == list(files.INVOICE_COLUMNS)
    assert [[cell.value for cell in row if cell.number_format == "#,##0.00"] for row in shown] == [
        [12.8, 0, 0, 12.8, 0, 12.8, 0], [12.8, 0, 0, 12.8, 0, 12.8, 0],
    ]  # fmt: skip
    issued, due = shown[0][2:4]
    assert issued.is_date and due.value == datetime(2026, 12, 30)


def test_names_reach_the_files_whole_and_never_as_formulas():
    rows = [("=1+1",), ("\r@somme",), (f"Anne{NBSP}Marie",), ("O'Brien\x07 <Zoé>",)]
    text = "".join(files.csv_stream(["Nom"], rows))
    assert text.split("\r\n")[1:] == ["'=1+1", '"\'\r@somme"', f"Anne{NBSP}Marie", "O'Brien\x07 <Zoé>", ""]
    sheet = sheet_of(b"".join(files.xlsx_stream(["Nom"], rows)))
    texts = [cell.value for row in sheet for cell in row]
    assert texts == ["Nom", "=1+1", "\n@somme", f"Anne{NBSP}Marie", "O'Brien <Zoé>"]


# XML that would close its cell and open one with a formula.
AN_ATTACK = "<r></r></is></c><c r='B2'><f>1+1</f></c><c r='C2' t='inlineStr'><is><r></r>"
NO_XML = re.compile("[\x00-\x1f\ud800-\udfff\ufffe\uffff]")


NEVER_FORMULAS = [
    "=1+1", "+33 6 12 34 56 78", "-1", "@somme", "https://example.org", "12,80", AN_ATTACK,
    f"\x07{AN_ATTACK}",
]  # fmt: skip


@on_the_database
@given(lists(text()))
def test_no_text_becomes_a_formula_a_link_or_a_number(names):
    names = NEVER_FORMULAS + names
    rows = sheet_of(b"".join(files.xlsx_stream(["Nom"], [(name,) for name in names])))[1:]
    assert {len(row) for row in rows} == {1}
    assert {(cell.data_type, cell.hyperlink) for (cell,) in rows} == {("s", None)}
    assert ["".join(cell.value.split()) for (cell,) in rows] == [
        "".join(NO_XML.sub("", name).split()) for name in names
    ]


def test_a_long_list_takes_no_more_memory_than_a_short_one():
    def peak(count):
        rows = ((f"F2026-{number:06}", date(2026, 11, 30), D("12.80"), number) for number in range(count))
        tracemalloc.start()
        size = sum(map(len, files.xlsx_stream(["Numéro", "Émise le", "Total", "Rang"], rows)))
        highest = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert size > count * 10
        return highest

    assert peak(3_000) < peak(30) + 500_000


def test_a_payment_at_the_desk_pays_the_invoice(billed, books, regie_client):
    found = regie_client.post(reverse("admin:billing_payment_take"), {"number": "f2026-000001"})
    answer = regie_client.post(
        found["Location"],
        {"amount": "12,80", "means": "cheque", "paid_on": "2026-11-09", "reference": "0042"},
    )
    payment = Payment.objects.get()
    assert answer["Location"].startswith(reverse("admin:billing_payment_receipt", args=[payment.pk]))
    assert Invoice.objects.with_balance().get(pk=billed[0].pk).left == 0
    book = regie_client.get(reverse("admin:billing_payment_cash_book"), {"mois": "2026-11"}).content.decode()
    assert "Chèque" in book and f"12,80{NBSP}€" in book


def test_an_amount_is_taken_as_it_is_copied_from_a_statement(billed, books, regie_client):
    take = reverse("admin:billing_payment_take_from", args=[books.household.pk])
    regie_client.post(take, {"amount": "1\u202f012,80 €", "means": "cheque", "paid_on": "2026-11-09"})
    assert Payment.objects.get().amount == D("1012.80")


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"amount": "-1", "means": "cash", "paid_on": "2026-11-09"}, "supérieure"),
        ({"amount": "abc", "means": "cash", "paid_on": "2026-11-09"}, "nombre"),
        ({"amount": "5", "means": "or", "paid_on": "2026-11-09"}, "valide"),
        ({"amount": "5", "means": "cash", "paid_on": "2026-11-10"}, "à venir"),
        ({"amount": "5", "means": "cash", "paid_on": "0026-11-09"}, "Vérifiez l&#x27;année"),
    ],
)
def test_a_wrong_payment_is_refused_in_words(billed, books, regie_client, said, message):
    page = reverse("admin:billing_payment_take_from", args=[books.household.pk])
    answer = regie_client.post(page, said)
    assert message in answer.content.decode()
    assert not Payment.objects.exists()


def sent_twice(client, page, said):
    """The same page sent two times, as two clicks do; where the second one leads."""
    key = client.get(page).context["form"]["key"].value()
    client.post(page, said | {"key": key})
    return client.post(page, said | {"key": key}, follow=True).content.decode()


def test_money_is_taken_and_given_back_once_however_often_the_page_is_sent(billed, books, regie_client):
    day = {"means": "cash", "paid_on": "2026-11-09"}
    take = reverse("admin:billing_payment_take_from", args=[books.household.pk])
    assert "qu&#x27;une fois" in sent_twice(regie_client, take, day | {"amount": "100"})
    payment = Payment.objects.get()
    give = reverse("admin:billing_payment_refund", args=[payment.pk])
    assert "qu&#x27;une fois" in sent_twice(regie_client, give, day | {"amount": "5"})
    assert list(Payment.objects.order_by("pk").values_list("amount", flat=True)) == [D(100), D(-5)]


def test_a_credit_note_is_issued_once_however_often_the_page_is_sent(billed, regie_client):
    page = reverse("admin:billing_invoice_credit", args=[billed[0].pk])
    said = {"what": "amount", "amount": "2", "reason": "Erreur"}
    seen = regie_client.post(page, said).context["preview"]["stamp"]
    assert not CreditNote.objects.exists()
    said |= {"vu": seen, "confirmed": "1"}
    assert "qu&#x27;une fois" in sent_twice(regie_client, page, said)
    assert CreditNote.objects.get().amount == D(2)


def test_a_payment_that_was_refused_can_be_corrected_on_the_same_page(billed, books, regie_client):
    page = reverse("admin:billing_payment_take_from", args=[books.household.pk])
    said = {"amount": "5", "means": "cash", "key": regie_client.get(page).context["form"]["key"].value()}
    regie_client.post(page, said | {"paid_on": "2026-11-10"})
    regie_client.post(page, said | {"paid_on": "2026-11-09"})
    assert Payment.objects.get().amount == D(5)


def test_what_a_form_hides_has_no_row_on_its_page(billed, books, regie_client):
    page = reverse("admin:billing_payment_take_from", args=[books.household.pk])
    assert "Key" not in regie_client.get(page).content.decode()


def test_money_is_not_given_back_on_a_day_to_come(billed, books, regie_client):
    take = reverse("admin:billing_payment_take_from", args=[books.household.pk])
    regie_client.post(take, {"amount": "100", "means": "cash", "paid_on": "2026-11-09"})
    page = reverse("admin:billing_payment_refund", args=[Payment.objects.get().pk])
    answer = regie_client.post(page, {"amount": "5", "means": "cash", "paid_on": "2026-11-10"})
    assert "à venir" in answer.content.decode()
    assert Payment.objects.count() == 1


def test_nobody_s_number_is_refused(regie_client, month):
    answer = regie_client.post(reverse("admin:billing_payment_take"), {"number": "999999"})
    assert "Aucun foyer ni aucune facture" in answer.content.decode()


def test_a_credit_note_is_issued_from_the_invoice(billed, regie_client):
    page = reverse("admin:billing_invoice_credit", args=[billed[0].pk])
    said = {"what": "amount", "reason": "Trop"}
    refused = regie_client.post(page, said | {"amount": "50"}).content.decode()
    assert "Il ne reste que 12,80" in refused
    assert "Indiquez le montant" in regie_client.post(page, said).content.decode()
    said |= {"amount": "2,80"}
    preview = regie_client.post(page, said | {"confirmed": "1"})
    assert not CreditNote.objects.exists() and "nouvel aperçu" in preview.content.decode()
    regie_client.post(page, said | {"confirmed": "1", "vu": preview.context["preview"]["stamp"]})
    assert CreditNote.objects.get().amount == D("2.80")


def test_an_invoice_s_page_only_shows(billed, regie_client):
    page = reverse("admin:billing_invoice_change", args=[billed[0].pk])
    assert "2, 3, 5 et 6 novembre" in regie_client.get(page).content.decode()
    assert regie_client.post(page, {"payer": "Autre"}).status_code == 403
    assert regie_client.get(reverse("admin:billing_invoice_pdf", args=[billed[0].pk])).status_code == 200


def test_a_line_by_hand_is_written_until_it_is_billed(month, books, regie_client):
    said = {
        "household": books.household.pk,
        "label": "Badge",
        "quantity": "1",
        "unit_price": "3",
        "reason": "Perte",
    }
    regie_client.post(reverse("admin:billing_manualcharge_add"), said)
    charge = ManualCharge.objects.get()
    assert charge.created_by.username == "regie"
    invoicing.issue(invoicing.start(NOVEMBER, by=None, at=END_OF_NOVEMBER), at=END_OF_NOVEMBER)
    page = reverse("admin:billing_manualcharge_change", args=[charge.pk])
    assert regie_client.post(page, said | {"unit_price": "300"}).status_code == 403


@pytest.mark.parametrize(
    "name",
    [
        "billing_invoice_changelist", "billing_billingrun_changelist", "billing_payment_changelist",
        "billing_creditnote_changelist", "billing_manualcharge_changelist",
        "reservations_attendance_changelist",
        "reservations_attendance_list", "billing_absencepolicy_changelist", "billing_absencepolicy_add",
        "billing_payment_take", "billing_payment_cash_book", "billing_tariff_changelist",
        "billing_billingsettings_add", "billing_packedmeal_changelist", BILL.removeprefix("admin:"),
    ],
)  # fmt: skip
def test_every_page_of_the_desk_opens_for_the_accountant(billed, regie, name):
    assert logged_in(regie).get(reverse(f"admin:{name}")).status_code == 200
