"""After ten years a document goes, by the one door there is; its series still verifies."""

import hashlib
from datetime import date
from decimal import Decimal

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.test import TestCase

from billing.documents import pdf
from billing.invoices import invoicing
from billing.invoices.creditable import Wanted
from billing.models import (
    BilledItem,
    BillingSettings,
    CreditNote,
    FormerDocument,
    Invoice,
    InvoiceLine,
    InvoicePdf,
    Payment,
    PaymentAllocation,
)
from billing.payments import former, paying
from families.models import Household, RetentionRule
from families.privacy import erasing, nights, retention
from portal.reservations.models import Booking
from tests.billing.conftest import END_OF_NOVEMBER, NOVEMBER
from tests.factories import InvoiceFactory, paris

IN_2036 = paris(2036, 12, 31, 23)
IN_2037 = paris(2037, 1, 1, 1)


@pytest.fixture
def issued(month, private) -> list[Invoice]:
    """November of two families, printed; the first one's is paid."""
    RetentionRule.objects.filter(kind__in=["invoices", "presence"]).update(needs_visa=False)
    invoicing.issue(invoicing.start(NOVEMBER, by=None, at=END_OF_NOVEMBER), at=END_OF_NOVEMBER)
    found = list(Invoice.objects.order_by("pk"))
    for invoice in found:
        pdf.stored(invoice, at=END_OF_NOVEMBER)
    pay(found[0])
    return found


def pay(invoice: Invoice, amount: Decimal | None = None) -> Payment:
    return paying.record(
        invoice.household,
        amount or invoice.total,
        "cash",
        paid_on=END_OF_NOVEMBER.date(),
        by=None,
        at=END_OF_NOVEMBER,
    )


def night(at) -> int:
    kind = retention.kind_of("invoices")
    assert kind is not None
    foreseen = nights.foresee(kind, at=at)
    with TestCase.captureOnCommitCallbacks(execute=True):
        done = nights.apply(kind, at=at)
    assert done == foreseen
    return done


def refused(statement: str) -> None:
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)


def test_a_paid_invoice_goes_on_the_first_day_of_the_eleventh_year(issued, private):
    first, unpaid = issued
    mark = InvoicePdf.objects.get(invoice=first).sha256
    files = len([path for path in private.rglob("*") if path.is_file()])
    assert night(IN_2036) == 0
    assert night(IN_2037) == 1
    assert list(Invoice.objects.all()) == [unpaid]
    assert not InvoiceLine.objects.exclude(invoice=unpaid).exists()
    assert not Payment.objects.exists() and not PaymentAllocation.objects.exists()
    assert len([path for path in private.rglob("*") if path.is_file()]) == files - 1
    left = FormerDocument.objects.get(kind="invoice")
    assert (left.number, left.day, left.amount, left.sha256) == (
        first.number,
        date(2026, 11, 30),
        first.total,
        mark,
    )
    assert night(IN_2037) == 0


def test_the_series_still_verifies(issued):
    for invoice in issued[1:]:
        pay(invoice)
    assert former.gaps("invoice", "F", 2026) == former.gaps("payment", "R", 2026) == []
    assert night(IN_2037) == 2
    assert not Invoice.objects.exists()
    assert former.gaps("invoice", "F", 2026) == former.gaps("payment", "R", 2026) == []
    assert former.gaps("credit", "A", 2026) == []


def test_what_is_owed_stays_however_old(issued):
    unpaid = issued[1]
    assert night(paris(2050, 1, 1)) == 1
    assert Invoice.objects.get() == unpaid


def test_a_payment_of_a_later_year_keeps_what_it_paid(issued):
    paying.record(
        issued[1].household,
        issued[1].total,
        "cash",
        paid_on=date(2027, 2, 1),
        by=None,
        at=paris(2027, 2, 1),
    )
    assert night(IN_2037) == 1
    assert night(paris(2038, 1, 1)) == 1


def test_a_payment_that_also_paid_a_later_invoice_keeps_both(issued):
    first = issued[1]
    InvoiceFactory(
        household=first.household, year=2027, number="F2027-000001", sequence=1, issued_at=paris(2027, 1, 5)
    )
    pay(first, first.total + Decimal("12.80"))
    assert PaymentAllocation.objects.filter(invoice__household=first.household).count() == 2
    assert night(IN_2037) == 1
    assert Invoice.objects.filter(household=first.household).count() == 2
    assert night(paris(2038, 1, 1)) == 2


def test_money_that_is_left_of_a_payment_stays(issued):
    pay(issued[1], issued[1].total + 5)
    assert night(IN_2037) == 1
    assert Payment.objects.filter(household=issued[1].household).exists()


def test_a_credit_note_goes_with_its_invoice_or_keeps_it(issued):
    note = invoicing.credit(
        issued[1], Wanted(amount=issued[1].total), reason="Erreur", by=None, at=paris(2027, 1, 3)
    )
    assert night(IN_2037) == 1
    assert CreditNote.objects.get() == note
    assert night(paris(2038, 1, 1)) == 1
    assert FormerDocument.objects.get(kind="credit").number == note.number


def test_a_town_may_keep_longer_but_the_law_decides_how_short(issued):
    RetentionRule.objects.filter(kind="invoices").update(duration=3)
    kind = retention.kind_of("invoices")
    assert kind is not None
    assert nights.foresee(kind, at=paris(2031, 1, 1)) == 0
    assert nights.apply(kind, at=paris(2031, 1, 1)) == 0
    RetentionRule.objects.filter(kind="invoices").update(duration=12)
    assert night(IN_2037) == 0


# The door ---------------------------------------------------------------------------------------------


def test_the_database_deletes_no_document_without_its_former_one(issued):
    key = issued[0].pk
    line = InvoiceLine.objects.filter(invoice=key)[0].pk
    item = BilledItem.objects.filter(line=line)[0].pk
    payment = Payment.objects.get().pk
    for statement in (
        f"DELETE FROM billing_billeditem WHERE id = {item}",
        f"DELETE FROM billing_invoiceline WHERE id = {line}",
        f"DELETE FROM billing_invoice WHERE id = {key}",
        f"DELETE FROM billing_payment WHERE id = {payment}",
        f"UPDATE billing_invoice SET total = 1 WHERE id = {key}",
    ):
        refused(statement)


def left_of(invoice: Invoice, **given) -> FormerDocument:
    said = {
        "kind": "invoice",
        "number": invoice.number,
        "series": invoice.series,
        "year": invoice.year,
        "sequence": invoice.sequence,
        "day": invoice.issued_at.date(),
        "amount": invoice.total,
        "sha256": hashlib.sha256(b"x").hexdigest(),
        "removed_on": date(2037, 1, 1),
        "removed_year": 2037,
    }
    return FormerDocument.objects.create(**(said | given))


@pytest.mark.parametrize(
    "given", [{"removed_on": date(2036, 12, 31), "removed_year": 2036}, {"removed_year": 2040}]
)
def test_no_former_one_is_written_too_early_or_with_another_year(issued, given):
    with pytest.raises(IntegrityError), transaction.atomic():
        left_of(issued[0], **given)


@pytest.mark.parametrize(
    "given", [{"amount": Decimal("0.01")}, {"year": 2020}, {"number": "F2026-999999"}, {"kind": "credit"}]
)
def test_a_former_one_of_something_else_opens_no_door(issued, given):
    left_of(issued[0], **given)
    line = InvoiceLine.objects.filter(invoice=issued[0])[0].pk
    refused(f"DELETE FROM billing_billeditem WHERE line_id = {line}")
    refused(f"DELETE FROM billing_invoice WHERE id = {issued[0].pk}")


def test_a_former_one_is_final_itself(issued):
    left_of(issued[0])
    refused("DELETE FROM billing_formerdocument")
    refused("UPDATE billing_formerdocument SET amount = 1")


# With an erased family --------------------------------------------------------------------------------


def test_after_ten_years_nothing_of_an_erased_family_is_left(issued, books):
    erasing.erase(erasing.household_leaving(books.household), why="desk", by=None, at=END_OF_NOVEMBER)
    assert Household.objects.filter(pk=books.household.pk).exists()
    BillingSettings().save()
    assert night(IN_2037) == 1
    presence = retention.kind_of("presence")
    assert presence is not None
    assert nights.apply(presence, at=IN_2037) > 0
    assert not Booking.objects.filter(household=books.household.pk).exists()
    assert erasing.sweep(IN_2037) == 2
    assert not Household.objects.filter(pk=books.household.pk).exists()
