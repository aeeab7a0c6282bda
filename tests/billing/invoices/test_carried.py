"""What is owed to a family, or too little for an invoice, is written in its month, then used."""

from datetime import date, timedelta
from decimal import Decimal

import pytest

from billing.invoices import invoicing, ledger
from billing.invoices.billable import Scope
from billing.models import AccountEntry, BilledItem, BillingRun, BillingSettings, Invoice, InvoiceLine, Tariff
from portal.reservations.models import Booking
from portal.reservations.states import BookingState
from tests.billing.conftest import DECEMBER, END_OF_DECEMBER, END_OF_NOVEMBER, MEALS, NOVEMBER, bill, eats
from tests.factories import paris

D = Decimal


def end_of(year, month):
    first = date(year, month, 1)
    last = (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
    return Scope(first), paris(last.year, last.month, last.day, 18)


def balance(home):
    found = AccountEntry.objects.filter(household=home).balance()
    assert found == ledger.standing([home.pk]).get(home.pk, D(0))
    return found


def lines(document):
    return [(one.kind, one.label, one.amount) for one in document.lines.all()]


@pytest.fixture(autouse=True)
def lasting(meals):
    """The same price for years."""
    Tariff.objects.update(valid_to=None)


@pytest.fixture
def owed(reported):
    return reported.household


def test_what_the_town_hall_owes_is_written_in_its_month(owed):
    (statement,) = Invoice.every.waiting()
    assert (statement.number, statement.total, statement.month) == (
        "REPORT2026-000001",
        D("-9.60"),
        DECEMBER.month,
    )
    assert lines(statement) == [
        ("presence", "Repas", D("3.20")),
        ("credit", "Repas : annulé après la facture F2026-000001", D("-12.80")),
    ]
    # Nobody pays it: it is no invoice.
    assert [one.number for one in Invoice.objects.all()] == ["F2026-000001"]
    assert balance(owed) == D("-9.60")


@pytest.mark.parametrize("months", [1, 14, 38])
def test_and_it_is_used_whenever_the_next_invoice_comes(owed, books, months):
    year, month = 2026 + (11 + months) // 12, (11 + months) % 12 + 1
    scope, at = end_of(year, month)
    eats(books, [scope.month + timedelta(days=place) for place in range(4)])
    bill(scope, at)
    invoice = Invoice.objects.get(month=scope.month)
    assert invoice.total == D("3.20")
    assert [one for one in lines(invoice) if one[0] == "carried"] == [
        ("carried", "Repas : annulé après la facture F2026-000001 – report de décembre 2026", D("-12.80")),
        ("carried", "Repas – report de décembre 2026", D("3.20")),
    ]
    assert not Invoice.every.waiting().exists()
    assert balance(owed) == D("3.20")


def test_a_run_without_a_meal_leaves_it_as_it_is(owed):
    scope, at = end_of(2027, 12)
    bill(scope, at)
    assert Invoice.every.count() == 2
    assert balance(owed) == D("-9.60")


def test_a_day_of_a_statement_can_still_be_corrected(owed, books):
    Booking.objects.filter(day=date(2026, 12, 3)).update(state=BookingState.CANCELLED)
    scope, at = end_of(2027, 1)
    bill(scope, at)
    assert [one.total for one in Invoice.every.waiting().order_by("pk")] == [D("-9.60"), D("-3.20")]
    assert balance(owed) == D("-12.80")


def test_too_little_waits_for_thirteen_months_and_is_billed(meals, books):
    BillingSettings(minimum_amount=D(5)).save()
    eats(books, MEALS[:1])
    bill(NOVEMBER, END_OF_NOVEMBER)
    assert balance(books.household) == D("3.20")
    scope, at = end_of(2027, 12)
    assert invoicing.preview(scope, at=at).carried_total == D("3.20")
    eats(books, [date(2027, 12, 2)])
    bill(scope, at)
    assert Invoice.objects.get().total == D("6.40")
    assert balance(books.household) == D("6.40")


def test_and_by_itself_once_the_town_asks_for_less(meals, books):
    BillingSettings(minimum_amount=D(5)).save()
    eats(books, MEALS[:1])
    bill(NOVEMBER, END_OF_NOVEMBER)
    BillingSettings(minimum_amount=D(3)).save()
    bill(DECEMBER, END_OF_DECEMBER)
    assert Invoice.objects.get().total == D("3.20")


def test_what_comes_to_nothing_is_a_document_and_is_over(owed, books):
    eats(books, [date(2027, 1, day) for day in (5, 7, 8)])
    scope, at = end_of(2027, 1)
    bill(scope, at)
    nothing = Invoice.every.get(month=scope.month)
    assert (nothing.kind, nothing.total) == ("carried", D("9.60"))


def test_a_household_has_one_document_a_run_and_each_day_is_billed_once(owed):
    run = BillingRun.objects.get(month=DECEMBER.month)
    BillingRun.objects.filter(pk=run.pk).update(state="failed")
    run.refresh_from_db()
    before = BilledItem.objects.count()
    invoicing.issue(run, at=END_OF_DECEMBER)
    assert (Invoice.every.filter(run=run).count(), BilledItem.objects.count()) == (1, before)


def test_lines_that_are_taken_over_bill_nothing_again(owed, books):
    scope, at = end_of(2027, 2)
    eats(books, [date(2027, 2, day) for day in (2, 3, 4, 5)])
    bill(scope, at)
    assert not BilledItem.objects.filter(line__kind=InvoiceLine.Kind.CARRIED).exists()
    follows, later = end_of(2027, 3)
    bill(follows, later)
    assert Invoice.every.filter(month=follows.month).count() == 0
