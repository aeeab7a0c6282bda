"""A statement that owes the family becomes money to give back, where no invoice comes any more."""

from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction

from billing.documents import verifying
from billing.invoices import ledger
from billing.invoices.refusals import BillingRefused
from billing.models import AccountEntry, CreditNote, Invoice, Payment, StatementCredit
from billing.payments import carried, paying
from tests.billing.conftest import DECEMBER, END_OF_DECEMBER, bill
from tests.billing.pages.test_account import text
from tests.factories import InvoiceFactory

D = Decimal
SAID = {"reason": "La famille déménage", "by": None, "at": END_OF_DECEMBER}


@pytest.fixture
def statement(reported):
    return Invoice.every.waiting().get()


def balance(home):
    assert verifying.verify(files=False).faults == []
    assert ledger.balances([home.pk]) == ledger.standing([home.pk])
    return AccountEntry.objects.filter(household=home).balance()


def movements(home):
    rows = AccountEntry.objects.filter(household=home).order_by("pk")
    return [(one.get_kind_display(), one.amount, one.document) for one in rows]


def test_what_the_town_hall_owes_a_family_that_leaves_becomes_money_to_give_back(reported, statement):
    """Four meals of 12.80 were paid, cancelled, and one of December eaten: 9.60, in cash."""
    home = reported.household
    foreseen = carried.foresee(statement)
    assert [(one.invoice.number, one.amount) for one in foreseen.answers] == [("F2026-000001", D("9.60"))]
    assert foreseen.to_give_back == D("9.60")
    (note,) = carried.give_back(statement, seen=foreseen.stamp, **SAID)
    assert (note.amount, note.freed, note.reason) == (
        D("9.60"),
        D("9.60"),
        "La famille déménage (report REPORT2026-000001)",
    )
    assert balance(home) == D("-9.60"), "it is owed as before"
    assert not Invoice.every.waiting().exists()
    payment = Payment.objects.get()
    assert paying.unused(payment) == D("9.60")
    paying.refund(
        payment, D("9.60"), means="cash", paid_on=END_OF_DECEMBER.date(), by=None, at=END_OF_DECEMBER
    )
    assert balance(home) == 0
    assert movements(home)[2:] == [
        ("Report", D("-9.60"), "REPORT2026-000001"),
        ("Avoir", D("-9.60"), note.number),
        ("Report", D("9.60"), "REPORT2026-000001"),
        ("Remboursement", D("9.60"), "R2026-000002"),
    ]


def test_once_and_no_invoice_takes_it_over_any_more(reported, statement):
    carried.give_back(statement, **SAID)
    with pytest.raises(BillingRefused, match="n'attend plus"):
        carried.give_back(statement, **SAID)
    assert CreditNote.objects.count() == 1
    bill(type(DECEMBER)(DECEMBER.month.replace(year=2027, month=1)), END_OF_DECEMBER.replace(year=2027))
    assert not Invoice.every.filter(lines__carried=statement).exists()
    with pytest.raises(IntegrityError), transaction.atomic():
        StatementCredit.objects.all()._raw_delete("default")


def test_what_is_due_is_answered_before_what_was_paid(reported, statement):
    """4.00 are due besides: the note lowers them to nothing, 5.60 are to be given back."""
    due = InvoiceFactory(household=reported.household, total=D("4.00"))
    foreseen = carried.foresee(statement)
    assert [(one.invoice.pk, one.amount) for one in foreseen.answers] == [
        (due.pk, D("4.00")),
        (Invoice.objects.get(number="F2026-000001").pk, D("5.60")),
    ]
    assert foreseen.to_give_back == D("5.60")
    carried.give_back(statement, **SAID)
    assert Invoice.objects.with_balance().get(pk=due.pk).left == 0


def test_what_changed_since_it_was_shown_is_shown_again(reported, statement):
    seen = carried.foresee(statement).stamp
    InvoiceFactory(household=reported.household, total=D("4.00"))
    with pytest.raises(BillingRefused, match="a changé entre-temps"):
        carried.give_back(statement, seen=seen, **SAID)
    assert not CreditNote.objects.exists()


def test_what_no_invoice_ever_had_stays_for_the_next_one(books, now):
    gift = InvoiceFactory(household=books.household, kind="carried", total=D("-9.60"))
    with pytest.raises(BillingRefused, match=r"9,60.*restent en"):
        carried.give_back(gift, **SAID)


def test_the_desk_gives_it_back_and_the_family_reads_what_became_of_it(reported, statement, regie_client):
    where = f"/mairie/billing/payment/comptes/report/{statement.pk}/"
    assert f'href="{where}rembourser/"' in text(regie_client.get(where))
    page = regie_client.get(f"{where}rembourser/")
    assert "un avoir de 9,60 € sur la facture F2026-000001" in text(page)
    form = page.context["form"]
    sent = {"reason": "Déménagement", "seen": form["seen"].value(), "key": str(form["key"].value())}
    assert "obligatoire" in text(regie_client.post(f"{where}rembourser/", sent | {"reason": ""}))
    done = text(regie_client.post(f"{where}rembourser/", sent, follow=True))
    assert "9,60 € sont à rendre à la famille" in done
    again = text(regie_client.post(f"{where}rembourser/", sent, follow=True))
    assert "n'attend plus" in again.replace("&#x27;", "'") or "déjà été envoyé" in again
    assert CreditNote.objects.count() == 1
    said = text(reported.client().get(f"/factures/mon-compte/report/{statement.pk}/"))
    assert f"Rendu par avoir n° {CreditNote.objects.get().number}." in said
    assert "rembourser/" not in text(regie_client.get(where))


def test_only_who_may_credit(reported, statement, agent_client):
    where = f"/mairie/billing/payment/comptes/report/{statement.pk}/rembourser/"
    assert agent_client.get(where).status_code == 403
