"""Cards of tickets at the desk: what is sold, sold for a family, taken back with a reason."""

from datetime import date

import pytest
from django.urls import reverse

from billing.invoices import cards
from billing.models import (
    FormulaTariff,
    HouseholdCard,
    ManualCharge,
    Tariff,
    TariffBand,
    TariffQuantity,
    TicketCard,
)
from tests.conftest import NOW

CARDS, SOLD = reverse("admin:billing_ticketcard_add"), reverse("admin:billing_householdcard_add")


def typed(canteen, **said):
    return {
        "name": "Carte de 10 repas",
        "code": "dix",
        "activities": [canteen.activity.pk],
        "tickets": "10",
        "price": "38",
        "until_day": "31",
        "until_month": "8",
        "months": "",
        "vat_percent": "0",
    } | said


@pytest.fixture
def sold(canteen):
    row = TicketCard.objects.create(
        code="dix", name="Carte de 10 repas", tickets=10, price=38, until_day=31, until_month=8
    )
    row.activities.add(canteen.activity)
    return row


def test_the_regie_writes_a_card_and_reads_what_it_gives(regie_client, canteen):
    regie_client.post(CARDS, typed(canteen))
    row = TicketCard.objects.get()
    assert row.sentence() == "10 tickets pour 38,00\xa0€, jusqu'au 31 août"
    said = regie_client.get(reverse("admin:billing_ticketcard_change", args=[row.pk])).content.decode()
    assert "Un ticket revient à 3,80\xa0€" in said


@pytest.mark.parametrize("said", [{"until_day": ""}, {"months": "12"}, {"until_day": "", "until_month": ""}])
def test_a_card_has_one_end(regie_client, canteen, said):
    answer = regie_client.post(CARDS, typed(canteen, **said)).content.decode()
    assert "ou combien de mois" in answer
    assert not TicketCard.objects.exists()


def test_a_price_that_counts_days_is_refused_in_a_sentence(regie_client, canteen):
    tariff = Tariff.objects.create(code="repas", name="Repas", kind="flat")
    TariffBand.objects.create(tariff=tariff, prices={"": "4.00"})
    FormulaTariff.objects.create(formula=canteen.formula, tariff=tariff)
    TariffQuantity.objects.create(tariff=tariff, kind="cap", amount=6)
    answer = regie_client.post(CARDS, typed(canteen)).content.decode()
    assert "un ticket n&#x27;y paierait rien" in answer


def test_a_card_is_sold_at_the_desk(till_client, sold, books):
    till_client.post(SOLD, {"household": books.household.pk, "card": sold.pk})
    row = HouseholdCard.objects.get()
    assert (row.price, row.bought_on, row.valid_until) == (38, NOW.date(), date(2027, 8, 31))
    assert ManualCharge.objects.get().card == row


def test_the_till_takes_no_card_back(till_client, sold, books):
    row = cards.sell(books.household, sold, by=books.user, at=NOW)
    till_client.post(
        reverse("admin:billing_householdcard_change", args=[row.pk]), {"stopped_reason": "Erreur"}
    )
    row.refresh_from_db()
    assert row.stopped_on is None


def test_the_regie_takes_it_back_with_a_reason(regie_client, sold, books):
    row = cards.sell(books.household, sold, by=books.user, at=NOW)
    address = reverse("admin:billing_householdcard_change", args=[row.pk])
    assert "10 sur 10" in regie_client.get(address).content.decode()
    regie_client.post(address, {"stopped_reason": "Achetée par erreur"})
    row.refresh_from_db()
    assert (row.stopped_on, row.stopped_reason) == (NOW.date(), "Achetée par erreur")
    assert not ManualCharge.objects.exists()


def test_what_the_card_bills_is_not_changed_by_hand(sold, books):
    cards.sell(books.household, sold, by=books.user, at=NOW)
    assert not ManualCharge.objects.get().is_free


def test_a_family_s_screen_has_its_cards_where_the_town_sells_any(regie_client, sold, books):
    cards.sell(books.household, sold, by=books.user, at=NOW)
    address = reverse("admin:families_household_change", args=[books.household.pk])
    said = regie_client.get(f"{address}?onglet=argent").content.decode()
    assert "Vendre une carte" in said and "10 sur 10" in said


def test_the_list_is_a_file(regie_client, sold, books):
    assert regie_client.get(reverse("admin:billing_householdcard_changelist")).status_code == 200
