"""Paying a part of an invoice, where the town allows it: what one may pay, what remains, and until when."""

from decimal import Decimal
from html import unescape
from urllib.parse import urlencode

import pytest

from billing.models import BillingSettings, Invoice, OnlinePayment
from billing.payments.providers import choosing

CHOICE, SUMMARY = "/factures/regler/", "/factures/regler/recapitulatif/"


@pytest.fixture
def in_parts(owes) -> Invoice:
    """The family owes 12.80 € until 30 December 2026, and may pay a part of it."""
    BillingSettings(part_payment=True).save()
    return Invoice.objects.get(household=owes.household)


def text(answer) -> str:
    return " ".join(unescape(answer.content.decode()).split())


def summary(client, invoice: Invoice, amount: str, method: str = "get"):
    query = urlencode({"facture": invoice.pk, f"montant-{invoice.pk}": amount})
    return getattr(client, method)(f"{SUMMARY}?{query}")


def test_where_one_pays_it_says_that_a_part_will_do(in_parts, books_client):
    shown = text(books_client.get(CHOICE))
    assert "Vous pouvez payer en plusieurs fois" in shown
    assert "Jusqu'à 12,80 €, en une ou plusieurs fois." in shown
    assert f'name="montant-{in_parts.pk}"' in shown


def test_where_the_town_does_not_allow_it_nothing_is_said_of_parts(owes, books_client):
    shown = text(books_client.get(CHOICE))
    assert "plusieurs fois" not in shown and "montant-" not in shown


def test_the_smallest_amount_is_said_before(in_parts, books_client, monkeypatch):
    provider = choosing.current()
    assert provider is not None
    monkeypatch.setattr(provider, "minimum", Decimal("1.00"))
    assert "Le paiement en ligne commence à 1,00 €" in text(books_client.get(CHOICE))
    # And a smaller one is refused where it is typed, not at the last step.
    shown = text(summary(books_client, in_parts, "0,50"))
    assert "Le paiement en ligne commence à 1,00 €." in shown and 'role="alert"' in shown
    assert 'value="0,50"' in shown


def test_the_summary_says_what_remains_and_until_when(in_parts, books_client):
    shown = text(summary(books_client, in_parts, "5"))
    assert "Montant à débiter : <strong>5,00 €</strong>" in shown
    assert (
        f"Il restera <strong>7,80 €</strong> à payer sur la facture n° {in_parts.number}"
        " au plus tard le mercredi 30 décembre 2026." in shown
    )
    assert "Il restera" not in text(summary(books_client, in_parts, "12,80"))


@pytest.mark.parametrize("amount", ["0", "-1", "12,81", "1,005"])
def test_what_cannot_be_paid_is_refused_where_it_is_typed(in_parts, books_client, amount):
    shown = text(summary(books_client, in_parts, amount))
    assert "payez entre 0,01 € et 12,80 €" in shown
    assert not OnlinePayment.objects.exists()


def test_a_part_goes_to_the_bank_once(in_parts, books_client):
    bank = summary(books_client, in_parts, "5", "post")
    assert bank.status_code == 302
    payment = OnlinePayment.objects.get()
    assert payment.amount == Decimal(5)
    # While it is under way, its own page is shown and no second one is begun.
    assert payment.reference in summary(books_client, in_parts, "7,80").url


def test_an_overdue_rest_says_since_when(late, books_client):
    BillingSettings(part_payment=True).save()
    mine = Invoice.objects.get(household=late.household)
    shown = text(summary(books_client, mine, "5"))
    assert ", attendus depuis le mercredi 30 décembre 2026." in shown
