"""Files of many households that the accountant takes out: each is a line of the register of reading."""

from datetime import date, datetime

import pytest
from django.urls import reverse

from billing.admin.reminders import stamp_of
from billing.models import Debit, DebitFile, LetterLot, ReminderLetter
from tests.billing.care import YOUNG, invoiced, pays
from tests.billing.conftest import private
from tests.conftest import Family, let_go
from tests.factories import ChildFactory, InvoiceFactory

__all__ = ["private"]

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("private")]
INVOICES, PAYMENTS = "/mairie/billing/invoice/", "/mairie/billing/payment/"


def take(answer) -> None:
    """Whatever becomes of the file: the line was written before it was handed over."""
    assert answer.status_code == 200 and answer["Content-Disposition"].startswith("attachment")
    let_go(answer)


@pytest.mark.parametrize("action", ["download_pdfs", "download_csv", "download_lines", "download_xlsx"])
def test_a_file_of_invoices_is_one_line_of_its_households(
    books: Family, waits: Family, regie_client, lines, action: str
):
    rows = [
        InvoiceFactory(household=books.household),
        InvoiceFactory(household=books.household),
        InvoiceFactory(household=waits.household),
    ]
    keys = [row.pk for row in rows]
    take(regie_client.post(INVOICES, {"action": action, "_selected_action": keys}))
    assert lines() == [("export", 2, [str(books.household), str(waits.household)])]


@pytest.mark.parametrize("action", ["download_csv", "download_xlsx"])
def test_a_file_of_payments_too(books: Family, regie_client, now, lines, action: str):
    payment = pays(books.household, "10.00", now.date())
    take(regie_client.post(PAYMENTS, {"action": action, "_selected_action": [payment.pk]}))
    assert lines() == [("export", 1, [str(books.household)])]


def test_the_years_certificates_too(books: Family, regie_client, now, lines):
    mia = ChildFactory(birth_date=YOUNG, households=[books.household])
    invoiced(books.household, (mia, "30.00", 100), month=date(2025, 3, 1))
    pays(books.household, "10.00", date(2025, 4, 2))
    take(regie_client.get(reverse("admin:billing_payment_tax_zip", args=[2025])))
    assert lines() == [("export", 1, [str(books.household)])]


def test_a_file_for_the_bank_too(books: Family, regie_client, now, lines):
    file = DebitFile.objects.create(message="M1", collected_on=now.date(), content="<xml/>", made_at=now)
    mandate = books.household.mandates.create(
        rum="R1", debtor="Camille Roux", iban="FR7630006000011234567890189", signed_on=now.date()
    )
    invoice = InvoiceFactory(household=books.household)
    Debit.objects.create(
        file=file, mandate=mandate, invoice=invoice, payment=pays(books.household, "5.00", now.date())
    )
    take(regie_client.get(reverse("admin:billing_debit_download", args=[file.pk])))
    assert lines() == [("export", 1, [str(books.household)])]


@pytest.mark.parametrize(("query", "households"), [({}, 2), ({"papier": ""}, 1), ({"lots": ""}, 2)])
def test_the_letters_of_a_reminding_too(
    books: Family, waits: Family, regie_client, now: datetime, lines, query, households: int
):
    for who, by_post in ((books, True), (waits, False)):
        lot = LetterLot.objects.create(sent_at=now, by_post=by_post, printed_at=now, file="perdu.pdf")
        ReminderLetter.objects.create(
            household=who.household, sent_at=now, by_post=by_post, lot=lot, file="perdu.pdf"
        )
    take(regie_client.get(reverse("admin:billing_invoice_letters", args=[stamp_of(now)]), query))
    whom = sorted(map(str, (books.household, waits.household)[:households]))
    assert lines() == [("export", households, whom)]
