"""Closed books: what was counted takes nothing any more, what is told late stands on the first open day."""

from datetime import date

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from billing.models import BookClosing, Payment
from billing.payments import closing, paying
from tests.billing.payments.paying_online import D
from tests.factories import paris

MARCH = paris(2027, 3, 15, 10)
FIFTH = date(2026, 12, 5)


def close(until, at=MARCH):
    return closing.close(until, by=None, at=at)


def pay(family, paid_on=FIFTH, at=MARCH):
    return paying.record(family.household, D(5), "cash", paid_on=paid_on, by=None, at=at)


@pytest.mark.parametrize(
    ("until", "paid_on", "booked_on"),
    [
        (date(2026, 12, 31), FIFTH, date(2027, 1, 1)),
        (date(2027, 2, 28), FIFTH, date(2027, 3, 1)),
        (FIFTH, FIFTH, date(2026, 12, 6)),
        (date(2026, 12, 4), FIFTH, None),
        (date(2027, 3, 14), date(2027, 3, 15), None),
    ],
    ids=["a closed year", "a closed month", "a closed day", "the day after it", "today"],
)
def test_cash_of_a_closed_day_is_booked_on_the_first_open_one(owes, until, paid_on, booked_on):
    """Cash of 5 December noted in March: December's book does not change, the family keeps its date."""
    close(until)
    payment = pay(owes, paid_on)
    assert (payment.paid_on, payment.booked_on) == (paid_on, booked_on)
    (booked,) = Payment.objects.in_the_books()
    assert booked.book_day == (booked_on or paid_on)


def test_a_refund_and_a_debit_of_a_closed_day_too(owes):
    payment = pay(owes, date(2026, 12, 3))
    asked = paying.record(
        owes.household, D(1), "debit", paid_on=FIFTH, by=None, at=MARCH, state="pending", invoices=[]
    )
    close(date(2026, 12, 31))
    payment.allocations.all().delete()
    given = paying.refund(payment, D(2), means="cash", paid_on=FIFTH, by=None, at=MARCH)
    settled = paying.settle(asked, "validated", at=MARCH, invoices=[], paid_on=FIFTH)
    assert {given.booked_on, settled.booked_on} == {date(2027, 1, 1)}
    payment.refresh_from_db()
    assert payment.booked_on is None, "what was entered before stays where it is"


def test_a_debit_settled_while_the_books_close_waits_for_who_closes(owes):
    """Of both the counter is held first: its day is open, or it is seen that it is closed."""
    asked = paying.record(
        owes.household, D(1), "debit", paid_on=FIFTH, by=None, at=MARCH, state="pending", invoices=[]
    )
    with CaptureQueriesContext(connection) as seen:
        paying.settle(asked, "validated", at=MARCH, invoices=[])
    named = [
        "counter" if "numbercounter" in one["sql"] else "closed"
        for one in seen
        if "numbercounter" in one["sql"] or "bookclosing" in one["sql"]
    ]
    assert named[0] == "counter" and named[-1] == "closed"


@pytest.mark.parametrize(
    ("until", "words"),
    [
        (MARCH.date(), "hier au plus tard"),
        (date(2027, 3, 16), "hier au plus tard"),
        (date(2026, 12, 31), "déjà clos jusqu'au"),
        (date(2026, 11, 30), "déjà clos jusqu'au"),
    ],
)
def test_neither_today_nor_a_day_to_come_nor_twice(db, until, words):
    close(date(2026, 12, 31))
    with pytest.raises(closing.ClosingRefused, match=words):
        close(until)
    assert BookClosing.objects.count() == 1


def test_the_database_keeps_the_order_of_days(owes):
    payment = pay(owes)
    with pytest.raises(IntegrityError), transaction.atomic():
        Payment.objects.filter(pk=payment.pk).update(booked_on=FIFTH)


def test_the_desk_closes_says_so_and_shows_both_days(owes, regie_client, agent_client):
    where = "/mairie/billing/payment/cloture/"
    assert agent_client.get(where).status_code == 403
    said = regie_client.post(where, {"until": "2026-11-30"}, follow=True).content.decode()
    assert "Comptes clos jusqu’au 30/11/2026" in said
    page = regie_client.post(where, {"until": "2026-12-01"}).content.decode()
    assert "hier au plus tard" in page
    form = {"amount": "5", "means": "cash", "paid_on": "2026-11-20", "reference": "chq 7"}
    taken = regie_client.post(
        f"/mairie/billing/payment/encaisser/{owes.household.pk}/", form, follow=True
    ).content.decode()
    assert "20 novembre 2026 est clos" in taken and "1er décembre 2026" in taken
    book = "/mairie/billing/payment/journal/"
    december = regie_client.get(book, {"mois": "2026-12"}).content.decode()
    assert "payé le 20/11/2026" in december and "5,00" in december
    assert "Aucun règlement ces jours-ci" in regie_client.get(book, {"mois": "2026-11"}).content.decode()
