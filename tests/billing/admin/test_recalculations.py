"""« Recalculer un mois » at the desk: what was told since, what it changes, the confirmation."""

from datetime import date, timedelta

import pytest
import time_machine
from django.urls import reverse

from billing.invoices import invoicing
from billing.models import BillingSettings, Recalculation, TariffModifier
from families import residences
from tests.billing.conftest import END_OF_NOVEMBER, MEALS, NOVEMBER, eats
from tests.conftest import logged_in
from tests.factories import QuotientFactory, paris

ASK = "admin:billing_recalculation_ask"
TOLD = paris(2026, 12, 3, 9)


@pytest.fixture
def moved(meals, books, waits, now):
    """Two families are billed; then one is known to have left the town before its third meal."""
    TariffModifier.objects.create(tariff=meals, when="non_resident", effect="multiply", amount=2)
    eats(books)
    eats(waits)
    invoicing.issue(invoicing.start(NOVEMBER, by=None, at=END_OF_NOVEMBER), at=END_OF_NOVEMBER)
    residences.settle(books.household, resident=False, since=MEALS[2], at=TOLD)
    with time_machine.travel(TOLD + timedelta(hours=1), tick=False):
        yield books


def text(answer):
    return answer.content.decode().replace("\xa0", " ").replace("&#x27;", "'")


def asks(desk, home=""):
    said = {"month": "2026-11", "household": home, "reason": "Déménagement appris tard"}
    return desk.post(reverse(ASK), said, follow=True)


def test_what_was_told_after_the_invoice_leads_to_the_month_it_concerns(moved, regie_client):
    page = regie_client.get(reverse(ASK)).content.decode()
    assert "déménagement du jeudi 5 novembre, su le jeudi 3 décembre" in page
    assert f'href="?foyer={moved.household.pk}&amp;mois=2026-11"' in page


def test_a_household_is_recalculated_and_confirmed(moved, regie_client, mailoutbox):
    shown = asks(regie_client, moved.household.pk)
    page = text(shown)
    assert "Recalculer novembre 2026 : +6,40 €" in page
    assert "Famille hors commune" in page
    found = Recalculation.objects.get()
    done = regie_client.post(reverse("admin:billing_recalculation_confirm", args=[found.pk]), follow=True)
    assert "il ira sur la prochaine facture du foyer" in done.content.decode()
    found.refresh_from_db()
    assert (found.state, found.confirmed_by, found.asked_by) == ("done", found.asked_by, found.confirmed_by)
    assert "déménagement du jeudi" not in regie_client.get(reverse(ASK)).content.decode()
    assert (
        "Confirmer le recalcul"
        not in regie_client.get(
            reverse("admin:billing_recalculation_change", args=[found.pk])
        ).content.decode()
    )


def test_what_changed_since_is_shown_again(moved, regie_client):
    asks(regie_client, moved.household.pk)
    residences.settle(moved.household, resident=False, since=MEALS[0], at=TOLD)
    found = Recalculation.objects.get()
    page = text(
        regie_client.post(reverse("admin:billing_recalculation_confirm", args=[found.pk]), follow=True)
    )
    assert "Rien n'est confirmé" in page and "+12,80 €" in page


def test_all_households_of_a_month(moved, regie_client):
    page = text(asks(regie_client))
    assert "+6,40 €" in page
    found = Recalculation.objects.get()
    assert found.homes.get().household == moved.household


def test_a_month_in_which_nothing_changes_says_so(moved, waits, regie_client):
    assert "Rien ne change" in asks(regie_client, waits.household.pk).content.decode()


@pytest.mark.parametrize(
    ("home", "sentence"),
    [("999999", "Aucun foyer ne porte ce numéro"), ("abc", "Saisissez un nombre entier")],
)
def test_what_is_typed_wrongly_is_said(moved, regie_client, home, sentence):
    page = asks(regie_client, home).content.decode()
    assert sentence in page and "Déménagement appris tard" in page
    assert not Recalculation.objects.exists()


def test_who_does_not_bill_recalculates_nothing(moved, agent):
    assert logged_in(agent).get(reverse(ASK)).status_code == 403


def test_quotients_are_listed_where_they_count_from_their_date(moved, waits, regie_client):
    QuotientFactory(
        household=waits.household, value=300, valid_from=date(2026, 11, 1), known_on=date(2026, 12, 2)
    )
    assert "quotient familial du" not in regie_client.get(reverse(ASK)).content.decode()
    BillingSettings.objects.create(quotient_late="date")
    assert "quotient familial du dimanche 1er novembre" in regie_client.get(reverse(ASK)).content.decode()
