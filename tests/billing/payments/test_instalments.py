"""An invoice paid in several times: what is due when, debited, reminded of and shown."""

from datetime import date
from decimal import Decimal

import pytest
from django.urls import reverse

from billing.documents import pdf
from billing.invoices.refusals import BillingRefused
from billing.models import (
    BillingSettings,
    Debit,
    Instalment,
    InstalmentPlan,
    Invoice,
    InvoiceNotice,
    Mandate,
)
from billing.payments import instalments, paying, sepa
from billing.reminders import reminder_letters, reminding
from tests.factories import InvoiceFactory, paris

AT = paris(2026, 12, 1, 10)
D = Decimal
IBAN = "FR1420041010050500013M02606"
NOVEMBER, DECEMBER = date(2026, 11, 1), date(2026, 12, 1)

pytestmark = pytest.mark.usefixtures("private")


@pytest.fixture
def invoice(books):
    """100.00, to be paid by 30 December 2026; the town allows three times from 60.00 on."""
    BillingSettings(
        instalments_most=3,
        instalments_from=60,
        iban="FR76 3000 6000 0112 3456 7890 189",
        bic="AGRIFRPP",
        creditor_identifier="FR12ZZZ123456",
    ).save()
    return InvoiceFactory(
        household=books.household, total=D("100.00"), month=NOVEMBER, due_on=date(2026, 12, 30)
    )


@pytest.fixture
def parted(invoice):
    instalments.agree(invoice, 3, by=None, at=AT)
    return invoice


def now(invoice):
    return Invoice.objects.with_balance().get(pk=invoice.pk)


def pay(invoice, amount, day=date(2026, 12, 1)):
    paying.record(invoice.household, D(amount), "cheque", paid_on=day, by=None, at=AT, invoices=[invoice])


def test_three_due_dates_whose_sum_is_exact(parted):
    rows = list(Instalment.objects.values_list("due_on", "amount"))
    assert rows == [
        (date(2026, 12, 30), D("33.34")),
        (date(2027, 1, 30), D("33.33")),
        (date(2027, 2, 28), D("33.33")),
    ]


def test_it_is_late_only_from_its_next_due_date_on(parted):
    assert now(parted).pay_by == date(2026, 12, 30)
    pay(parted, "33.34")
    assert now(parted).pay_by == date(2027, 1, 30)
    assert not reminding.overdue(date(2027, 1, 30)).exists()
    assert reminding.overdue(date(2027, 1, 31)).exists()
    pay(parted, "33.33")
    assert now(parted).pay_by == date(2027, 2, 28)
    pay(parted, "33.33")
    assert now(parted).left == 0


def test_a_part_of_a_part_leaves_its_day(parted):
    pay(parted, "30.00")
    assert now(parted).pay_by == date(2026, 12, 30)


def test_a_reminder_asks_for_what_is_late_alone(parted):
    def reminder(day):
        found = reminding.preview(Invoice.objects.all(), at=paris(day.year, day.month, day.day)).wanted
        late = reminder_letters.late_of(found, day)
        return reminder_letters.reminder(found, BillingSettings.current(), late)

    assert reminder(date(2027, 1, 5))["left"] == "33,34\xa0€"
    said = reminder(date(2027, 2, 5))
    assert said["left"] == "66,67\xa0€"
    (owed,) = said["invoices"]
    assert owed.month_name == "novembre 2026, en plusieurs fois"


def test_the_letter_on_paper_asks_for_it_too(parted):
    late = paris(2027, 1, 5, 9)
    reminding.remind([parted.pk], at=late, by=None)
    (letter,) = reminder_letters.letters([parted.household_id], late, BillingSettings.current())
    assert letter.total == "33,34\xa0€"


def test_each_debit_asks_for_what_is_due(parted, books):
    Mandate.objects.create(
        household=books.household, rum="V-1", debtor="Camille", iban=IBAN, signed_on=date(2026, 9, 1)
    )
    first = sepa.make(NOVEMBER, collected_on=date(2026, 12, 28), by=None, at=AT)
    assert ">33.34</InstdAmt>" in first.content
    later = paris(2026, 12, 29, 9)
    sepa.collected(first, by=None, at=later)
    assert sepa.due(NOVEMBER) == []
    (left,) = sepa.outlook(NOVEMBER).left_out
    assert "prochaine échéance le 30/01/2027" in left.why
    second = sepa.make(DECEMBER, collected_on=date(2027, 1, 28), by=None, at=later)
    assert ">33.33</InstdAmt>" in second.content
    assert list(Debit.objects.values_list("payment__amount", flat=True)) == [D("33.34"), D("33.33")]


def test_the_invoice_does_not_change(parted, invoice):
    before = pdf.stored(invoice, at=AT).sha256
    instalments.end(InstalmentPlan.objects.get(), by=None, at=AT)
    assert pdf.stored(invoice, at=AT).sha256 == before
    assert Invoice.objects.get().due_on == date(2026, 12, 30)


@pytest.mark.parametrize(
    ("count", "total", "why"),
    [(4, "100.00", "ne se paient pas en 4 fois"), (3, "59.99", "ne se paient pas en 3 fois")],
)
def test_what_the_town_does_not_allow_is_refused(invoice, count, total, why):
    if total != "100.00":
        invoice = InvoiceFactory(household=invoice.household, total=D(total), due_on=date(2026, 12, 30))
    with pytest.raises(BillingRefused, match=why):
        instalments.agree(invoice, count, by=None, at=AT)


def test_what_is_late_is_the_desks_to_part(invoice, agent):
    late = paris(2027, 1, 5, 9)
    with pytest.raises(BillingRefused):
        instalments.agree(invoice, 2, by=None, at=late)
    instalments.agree(invoice, 6, by=agent, at=late, at_desk=True)
    assert Instalment.objects.order_by("due_on").first().due_on == date(2027, 1, 5)
    with pytest.raises(BillingRefused, match="déjà un échéancier"):
        instalments.agree(invoice, 2, by=agent, at=late, at_desk=True)


def test_the_family_chooses_on_its_invoice(invoice, books_client):
    page = books_client.get(f"/factures/{invoice.pk}/").content.decode()
    assert "En 3 fois : 33,34\xa0€ le 30 décembre" in page
    answer = books_client.post(f"/factures/{invoice.pk}/en-plusieurs-fois/", {"fois": "3"}, follow=True)
    page = answer.content.decode()
    assert "vous payez en 3 fois" in page
    assert "Au plus tard le samedi 30 janvier 2027" in page
    home = books_client.get("/").content.decode()
    assert "33,34\xa0€ à payer" in home


def test_another_family_parts_nothing(invoice, stranger_client):
    assert (
        stranger_client.post(f"/factures/{invoice.pk}/en-plusieurs-fois/", {"fois": "3"}).status_code == 404
    )
    assert not InstalmentPlan.objects.exists()


@pytest.mark.parametrize("said", ["", "0", "1", "99", "deux", "-3"])
def test_what_is_posted_is_not_believed(invoice, books_client, said):
    books_client.post(f"/factures/{invoice.pk}/en-plusieurs-fois/", {"fois": said})
    assert not InstalmentPlan.objects.exists()


def test_the_desk_agrees_and_ends_it(invoice, regie_client):
    page = reverse("admin:billing_invoice_in_parts", args=[invoice.pk])
    assert regie_client.post(page, {"times": "4"}).status_code == 302
    shown = regie_client.get(reverse("admin:billing_invoice_change", args=[invoice.pk])).content.decode()
    assert "25,00\xa0€ au plus tard le 30 janvier 2027" in shown
    assert regie_client.post(page).status_code == 302
    assert InstalmentPlan.objects.get().ended_at is not None
    assert now(invoice).pay_by == date(2026, 12, 30)


def test_a_town_that_allows_none_shows_nothing(invoice, books_client):
    BillingSettings.objects.update(instalments_most=0)
    assert "en plusieurs fois" not in books_client.get(f"/factures/{invoice.pk}/").content.decode()


def remind(invoice, *day):
    """How many reminders left that day, as the desk would send them."""
    return reminding.remind([invoice.pk], at=paris(*day, 10), by=None)


def steps():
    return list(InvoiceNotice.objects.order_by("pk").values_list("due_on", "level", "left"))


def test_each_due_date_that_is_missed_has_its_reminders(parted):
    """Three reminders of the first one; it is paid; then as many of the next one."""
    first, second = date(2026, 12, 30), date(2027, 1, 30)
    assert remind(parted, 2026, 12, 30) == 0, "its last day is a day to pay"
    assert [remind(parted, *day) for day in ((2026, 12, 31), (2027, 1, 15), (2027, 1, 30))] == [1, 1, 1]
    pay(parted, "33.34")
    assert remind(parted, 2027, 2, 1) == 0, "fifteen days go by between two of them, whatever the due date"
    assert [remind(parted, *day) for day in ((2027, 2, 14), (2027, 3, 1))] == [1, 1]
    assert steps() == [
        (first, 1, D("100.00")),
        (first, 2, D("100.00")),
        (first, 3, D("100.00")),
        (second, 1, D("66.66")),
        (date(2027, 2, 28), 1, D("66.66")),
    ]


def test_a_due_date_missed_while_an_earlier_one_is_asks_once_more(parted):
    """Nothing is paid: three reminders of the first due date, then one of each that is missed besides."""
    days = ((2026, 12, 31), (2027, 1, 15), (2027, 1, 30), (2027, 2, 14), (2027, 3, 1), (2027, 3, 16))
    assert [remind(parted, *day) for day in days] == [1, 1, 1, 1, 1, 0]
    assert [(due, level) for due, level, _ in steps()] == [
        (date(2026, 12, 30), 1),
        (date(2026, 12, 30), 2),
        (date(2026, 12, 30), 3),
        (date(2027, 1, 30), 1),
        (date(2027, 2, 28), 1),
    ]


def test_the_list_of_invoices_counts_all_reminders(parted, regie_client):
    for day in ((2026, 12, 31), (2027, 1, 15), (2027, 1, 30), (2027, 2, 14)):
        remind(parted, *day)
    page = regie_client.get(reverse("admin:billing_invoice_changelist"), {"relances": "3"}).content.decode()
    assert "Relancée 4 fois, le 14/02/2027" in page


def test_an_invoice_that_is_paid_says_why_it_is_not_parted(invoice, regie_client):
    """Typed by its address: a sentence, and no empty choice."""
    pay(invoice, "100.00")
    page = reverse("admin:billing_invoice_in_parts", args=[invoice.pk])
    answer = regie_client.get(page, follow=True)
    assert answer.redirect_chain == [(reverse("admin:billing_invoice_change", args=[invoice.pk]), 302)]
    said = f"La facture {invoice.number} ne se paie pas en plusieurs fois : elle est payée."
    assert said in answer.content.decode()
    assert regie_client.post(page, {"times": "2"}).status_code == 302
    assert not InstalmentPlan.objects.exists()
