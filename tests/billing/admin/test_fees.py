"""Fees a year at the desk and in the town's file: typed, looked at beforehand, one family let off."""

from datetime import date

import pytest
from django.urls import reverse

from billing.invoices import fees
from billing.models import Fee, FeePrice, HouseholdFee
from portal.reservations.towns.fields import TownFileError
from portal.reservations.towns.town_file import export, load
from tests.billing.invoices.test_fees import fee_of

ONE_PRICE = {
    "prices-TOTAL_FORMS": "1",
    "prices-INITIAL_FORMS": "0",
    "prices-0-amount": "15",
    "prices-0-from_child": "1",
}


@pytest.fixture
def asked(canteen, books):
    fee_of(canteen, (15, 1, None))
    fees.note_all(until=date(2026, 11, 30))
    return HouseholdFee.objects.get()


def typed(canteen, **said):
    return {
        "name": "Adhésion",
        "code": "adhesion",
        "activities": canteen.activity.pk,
        "per": "household",
        "span": "year",
        "arises": "accepted",
        "vat_percent": "0",
        **ONE_PRICE,
        **said,
    }


def test_a_fee_is_typed_with_its_price(canteen, regie_client):
    answer = regie_client.post(reverse("admin:billing_fee_add"), typed(canteen))
    assert answer.status_code == 302
    fee = Fee.objects.get()
    assert fee.sentence(date(2026, 11, 2)) == "Adhésion : 15,00\xa0€ par famille et par année scolaire."


def test_prices_that_contradict_the_fee_are_refused(canteen, regie_client):
    wrong = typed(canteen, **{"prices-0-from_child": "3"})
    answer = regie_client.post(reverse("admin:billing_fee_add"), wrong)
    assert "demande des frais par enfant" in answer.content.decode()
    assert not Fee.objects.exists()


def test_the_preview_says_what_families_would_pay(canteen, regie_client):
    said = typed(canteen, per="child")
    said |= {
        "prices-TOTAL_FORMS": "2",
        "prices-0-amount": "17",
        "prices-1-amount": "10",
        "prices-1-from_child": "3",
    }
    page = regie_client.post(reverse("admin:billing_fee_preview"), said).content.decode()
    assert "Adhésion : 17,00\xa0€ par enfant et par année scolaire, 10,00\xa0€ à partir du troisième." in page
    assert "54,00\xa0€" in page
    assert not Fee.objects.exists()
    said["prices-TOTAL_FORMS"] = "0"
    page = regie_client.post(reverse("admin:billing_fee_preview"), said).content.decode()
    assert "Indiquez au moins un prix." in page


def test_one_family_is_let_off_with_a_reason(asked, regie_client):
    page = reverse("admin:billing_householdfee_waive", args=[asked.pk])
    assert "Dispenser cette famille" in regie_client.get(page).content.decode()
    assert "obligatoire" in regie_client.post(page, {"reason": ""}).content.decode()
    assert regie_client.post(page, {"reason": "Décision du CCAS"}).status_code == 302
    asked.refresh_from_db()
    assert asked.waived_reason == "Décision du CCAS"
    shown = regie_client.get(reverse("admin:billing_householdfee_changelist")).content.decode()
    assert "Dispensé" in shown
    again = reverse("admin:billing_householdfee_ask_again", args=[asked.pk])
    assert regie_client.post(again).status_code == 302
    asked.refresh_from_db()
    assert asked.waived_at is None


def test_an_agent_without_the_right_lets_nobody_off(asked, agent_client):
    page = reverse("admin:billing_householdfee_waive", args=[asked.pk])
    assert agent_client.post(page, {"reason": "Oui"}).status_code == 403


def test_the_list_leaves_as_a_file(asked, regie_client):
    answer = regie_client.post(
        reverse("admin:billing_householdfee_changelist"),
        {"action": "download_csv", "_selected_action": [asked.pk]},
    )
    text = b"".join(answer.streaming_content).decode("utf-8-sig")
    assert "Adhésion 2026-2027" in text
    assert "À facturer" in text


FILE = """
frais_annuels:
  - code: adhesion
    nom: Adhésion
    activités: [restauration-scolaire]
    par: enfant
    pour: douze_mois
    prix:
      - {montant: 17, hors_commune: 20}
      - {montant: 10, à_partir_de_l'enfant: 3}
"""


def test_the_towns_file_says_it(canteen):
    load(FILE)
    fee = Fee.objects.get()
    assert [one.pk for one in fee.activities.all()] == [canteen.activity.pk]
    assert list(FeePrice.objects.values_list("amount", "amount_outside", "from_child")) == [
        (17, 20, 1),
        (10, None, 3),
    ]
    assert "frais_annuels" in export()


def test_a_contradiction_in_the_file_is_refused(canteen):
    with pytest.raises(TownFileError, match="demande des frais par enfant"):
        load(FILE.replace("par: enfant", "par: famille"))
    assert not Fee.objects.exists()
