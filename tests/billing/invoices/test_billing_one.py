"""One household billed now, beside the month's runs; a month's run that leaves some out."""

from datetime import date
from decimal import Decimal

import pytest

from billing.invoices import invoicing
from billing.invoices.billable import Scope
from billing.invoices.refusals import BillingRefused
from billing.models import AccountEntry, BilledItem, BillingRun, Invoice
from tests.billing.conftest import DECEMBER, END_OF_DECEMBER, END_OF_NOVEMBER, NOVEMBER, eats
from tests.factories import paris

D = Decimal
LEAVES = paris(2026, 11, 4, 10)


def bill(scope=NOVEMBER, at=END_OF_NOVEMBER):
    invoicing.issue(invoicing.start(scope, by=None, at=at), at=at)


def totals(home):
    return list(
        Invoice.objects.filter(household=home.household).order_by("pk").values_list("total", flat=True)
    )


def one(home, scope=NOVEMBER, at=LEAVES):
    (invoice,) = invoicing.issue_one(home.household, scope, by=None, at=at)
    return invoice


def test_a_household_that_leaves_is_billed_now_and_by_no_run_besides(month, books, waits):
    invoice = one(books)
    assert (invoice.total, invoice.run, invoice.number) == (D("12.80"), None, "F2026-000001")
    assert not BillingRun.objects.exists() and totals(waits) == []
    bill()
    assert (totals(books), totals(waits)) == ([D("12.80")], [D("12.80")])
    assert BilledItem.objects.count() == 8


def test_what_comes_afterwards_is_on_the_run_s_invoice(month, books):
    one(books)
    eats(books, [date(2026, 11, 12)])
    bill()
    assert totals(books) == [D("12.80"), D("3.20")]


def test_a_run_that_was_done_stands_in_nobody_s_way(month, books):
    bill()
    eats(books, [date(2026, 11, 12)])
    one(books, at=END_OF_NOVEMBER)
    assert totals(books) == [D("12.80"), D("3.20")]


def test_there_may_be_nothing_to_bill(month, books):
    one(books)
    with pytest.raises(BillingRefused, match="rien à facturer à ce foyer"):
        one(books)
    with pytest.raises(BillingRefused, match="n'a pas commencé"):
        one(books, DECEMBER)
    assert len(totals(books)) == 1


def test_a_household_without_an_address_is_not_billed(month, books):
    type(books.household).objects.filter(pk=books.household.pk).update(street="")
    with pytest.raises(BillingRefused, match="l'adresse est incomplète"):
        one(books)
    assert not AccountEntry.objects.exists()


def test_a_run_bills_all_but_some_whom_the_next_one_does_not_forget(month, books, waits):
    but = Scope(NOVEMBER.month, left_out=(books.household.pk,))
    assert invoicing.preview(but, at=END_OF_NOVEMBER).households == 1
    bill(but)
    assert (totals(books), totals(waits)) == ([], [D("12.80")])
    bill(DECEMBER, END_OF_DECEMBER)
    assert (totals(books), totals(waits)) == ([D("12.80")], [D("12.80")])


def test_who_was_left_out_can_be_billed_alone(month, books):
    bill(Scope(NOVEMBER.month, left_out=(books.household.pk,)))
    with pytest.raises(BillingRefused, match="déjà facturé"):
        invoicing.start(NOVEMBER, by=None, at=END_OF_NOVEMBER)
    assert one(books, at=END_OF_NOVEMBER).total == D("12.80")


def test_a_run_that_was_interrupted_leaves_out_whom_it_did(month, books):
    but = Scope(NOVEMBER.month, left_out=(books.household.pk,))
    run = invoicing.start(but, by=None, at=END_OF_NOVEMBER)
    assert invoicing.scope_of(run) == but and invoicing.start(but, by=None, at=END_OF_NOVEMBER) == run
    with pytest.raises(BillingRefused, match="en cours"):
        invoicing.start(NOVEMBER, by=None, at=END_OF_NOVEMBER)


def test_it_may_be_an_hour_in_which_a_chunk_is_issued(month, books):
    """Billed alone while a run waits, it is left alone by that run."""
    run = invoicing.start(NOVEMBER, by=None, at=END_OF_NOVEMBER)
    one(books, at=END_OF_NOVEMBER)
    invoicing.issue(run, at=END_OF_NOVEMBER)
    assert totals(books) == [D("12.80")] and BilledItem.objects.count() == 8
