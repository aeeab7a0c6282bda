"""Money of an adult of two households: each household's own, whichever is shown."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from billing.models import Invoice, OnlinePayment
from tests.billing.conftest import keep_apart
from tests.conftest import Family
from tests.factories import GuardianFactory
from tests.families.conftest import text_of


@pytest.fixture
def both(owes: Family, waits: Family, settings: Any, monkeypatch: Any, tmp_path: Any) -> Client:
    """Who books, an adult of the household that waits too."""
    settings.PAYMENT_PROVIDER = "demo"
    keep_apart(monkeypatch, tmp_path)
    GuardianFactory(household=waits.household, user=owes.user)
    return owes.client()


def invoice_of(who: Family) -> Invoice:
    return Invoice.objects.get(household=who.household)


def test_lists_are_of_the_household_shown(both: Client, owes: Family, waits: Family):
    where = reverse("billing:invoices")
    mine, theirs = invoice_of(owes).number, invoice_of(waits).number
    first = text_of(both.get(where))
    assert mine in first and theirs not in first
    second = text_of(both.get(f"{where}?foyer={waits.household.pk}", follow=True))
    assert theirs in second and mine not in second


def test_a_payment_begun_in_one_household_is_its_own_while_the_other_is_shown(
    both: Client, owes: Family, waits: Family
):
    choice = text_of(both.get(reverse("billing:pay")))
    assert f'name="foyer" value="{owes.household.pk}"' in choice.split("<main")[1]
    both.post(reverse("families:choose_household"), {"vers": waits.household.pk, "foyer": owes.household.pk})

    asked = f"{reverse('billing:pay_summary')}?foyer={owes.household.pk}&facture={invoice_of(owes).pk}"
    page = both.get(asked, follow=True)
    assert "12,80" in text_of(page)
    both.post(reverse("families:choose_household"), {"vers": waits.household.pk, "foyer": owes.household.pk})
    both.post(page.request["PATH_INFO"] + "?" + page.request["QUERY_STRING"], {"foyer": owes.household.pk})

    payment = OnlinePayment.objects.get()
    assert payment.household == owes.household
    both.post(reverse("families:choose_household"), {"vers": waits.household.pk, "foyer": owes.household.pk})
    back = text_of(both.get(reverse("billing:payment", args=[payment.reference])))
    assert f"Passer au foyer n° {waits.household.number}" in back


def test_an_invoice_of_neither_does_not_exist(both: Client, stranger: Family, waits: Family):
    assert both.get(reverse("billing:invoice", args=[invoice_of(waits).pk])).status_code == 200
    assert stranger.client().get(reverse("billing:invoice", args=[invoice_of(waits).pk])).status_code == 404
