"""What an agent reads of a rule about money before it is saved, with amounts worked by hand."""

from datetime import date, time
from decimal import Decimal

import pytest

from billing.models import (
    AbsencePolicy,
    BillingSettings,
    LateCollectionRule,
    Tariff,
    TariffBand,
    TariffModifier,
)
from billing.prices import rule_previews
from portal.french.amounts import NBSP
from portal.reservations.models import Activity

D = Decimal
TODAY = date(2026, 11, 9)


def read(table):
    """Its rows: what each is about, and the texts of its cells."""
    return {
        row.head.replace(NBSP, " "): [cell.text.replace(NBSP, " ") for cell in row.cells]
        for row in table.rows
    }


def test_told_before_ten_an_illness_is_free_and_told_later_all_of_it_is_billed() -> None:
    found = rule_previews.absences(AbsencePolicy(paperless="told", told_before=time(10)), TODAY)
    shown = read(found.tables[0])
    free, one, two, four = "rien n'est facturé", "1 jour facturé", "2 jours facturés", "4 jours facturés"
    assert shown["Rien"] == [one, two, four]
    assert shown["Malade, prévenu le lundi 16 novembre à 9 h"] == [free] * 3
    assert shown["Malade, prévenu le lundi 16 novembre à 11 h"] == [one, two, four]
    assert shown["Grève"] == [free] * 3
    assert shown["Raison familiale"] == [one, two, four]


def test_waiting_days_and_a_late_certificate_are_counted() -> None:
    rule = AbsencePolicy(within_hours=48, waiting_days=1, late_waiting_days=3, max_days=15)
    shown = read(rule_previews.absences(rule, TODAY).tables[0])
    assert shown["Certificat donné le lundi 16 novembre à 18 h"] == ["1 jour facturé"] * 3
    assert shown["Certificat donné le jeudi 19 novembre à 1 h"] == [
        "1 jour facturé",
        "2 jours facturés",
        "3 jours facturés",
    ]
    assert shown["Certificat donné le mercredi 2 décembre à 9 h"][2] == "4 jours facturés"


def test_the_first_two_days_free_bill_the_two_others() -> None:
    rule = AbsencePolicy(paperless="known", free_first_days=2)
    found = rule_previews.absences(rule, TODAY)
    row = next(one for one in found.tables[0].rows if one.head.startswith("Malade"))
    shown = [cell.text.replace(NBSP, " ") for cell in row.cells]
    assert shown == ["rien n'est facturé", "rien n'est facturé", "2 jours facturés"]
    assert "mercredi 18" in row.cells[2].why and "jeudi 19" in row.cells[2].why


def test_late_departures_by_the_quarter_then_flat() -> None:
    rule = LateCollectionRule(
        activity=Activity(name="Accueil du soir"), valid_from=TODAY, closes_at=time(18, 30),
        quarter=D(5), flat=D(10), flat_after=time(18, 50),
    )  # fmt: skip
    found = rule_previews.late_departures(rule)
    shown = read(found.tables[0])
    assert shown["18 h 35"] == ["5,00 €"]
    assert shown["18 h 47"] == ["10,00 €"]
    assert shown["18 h 51"] == ["10,00 €"]
    assert found.tables[0].heads == ["Départ à", "Premier retard"]


def test_the_first_two_late_departures_are_only_told() -> None:
    rule = LateCollectionRule(
        activity=Activity(name="Mercredis"), valid_from=TODAY, closes_at=time(18), flat=D(8), from_nth=3
    )
    found = rule_previews.late_departures(rule)
    assert found.tables[0].heads == ["Départ à", "Premier retard", "Troisième retard"]
    assert read(found.tables[0])["18 h 05"] == ["rien", "8,00 €"]


@pytest.fixture
def flat(db):
    """600 € a year in ten: 60 € a month, from September to June."""
    tariff = Tariff.objects.create(
        code="forfait", name="Forfait", kind="flat", unit="month", begun="days",
        due_months=sum(1 << (month - 1) for month in (9, 10, 11, 12, 1, 2, 3, 4, 5, 6)),
    )  # fmt: skip
    TariffBand.objects.create(tariff=tariff, prices={"": "60"})
    return tariff


def test_months_that_are_due_and_those_that_are_not(flat) -> None:
    found = rule_previews.tariff(flat, TODAY)
    months = read(found.tables[1])
    assert months["Novembre 2026"] == months["Juin 2027"] == ["60,00 €"]
    assert months["Juillet 2027"] == months["Août 2027"] == ["rien"]
    assert months["L'année"] == ["600,00 €"]
    # December 2026 has 23 weekdays, 12 of them from the 16th on: 60 × 12 / 23 = 31.304… €
    parts = read(found.tables[2])
    assert parts["Inscrit le mercredi 16 décembre"] == ["31,30 €"]
    assert parts["Deux foyers, 12 jours chez l'un et 8 chez l'autre"] == ["60,00 € chacun"]


def test_a_flat_price_of_two_homes_is_shared(flat) -> None:
    flat.homes = "shared"
    parts = read(rule_previews.tariff(flat, TODAY).tables[2])
    assert parts["Deux foyers, 12 jours chez l'un et 8 chez l'autre"] == ["36,00 € et 24,00 €"]


def test_each_particular_rule_is_priced_for_a_family_that_it_is_about(db) -> None:
    tariff = Tariff.objects.create(code="repas", name="Repas")
    TariffBand.objects.create(tariff=tariff, low=0, high=399, prices={"": "2.60"})
    TariffBand.objects.create(tariff=tariff, low=400, prices={"": "4.00"})
    for when, effect, amount, more in [
        ("rank", "percent", -25, {"number": 2}),
        ("non_resident", "percent", 50, {}),
        ("pai", "multiply", "0.5", {}),
        ("late", "add", 2, {}),
        ("age", "price", 3, {"number": 6}),
        ("status", "percent", -40, {"status": "scholarship"}),
    ]:
        TariffModifier.objects.create(tariff=tariff, when=when, effect=effect, amount=D(amount), **more)
    found = rule_previews.tariff(Tariff.objects.with_rules().get(), TODAY).tables[0]
    assert found.heads == ("Qui", "quotient 0", "quotient 400")
    assert read(found) == {
        "Une famille": ["2,60 €", "4,00 €"],
        "À partir du 2e enfant": ["1,95 €", "3,00 €"],
        "Famille hors commune": ["3,90 €", "6,00 €"],
        "Panier repas (PAI)": ["1,30 €", "2,00 €"],
        "Réservation hors délai": ["4,60 €", "6,00 €"],
        "Moins de 6 ans": ["3,00 €", "3,00 €"],
        "Situation reconnue de l'enfant": ["1,56 €", "2,40 €"],
    }


def test_due_dates_of_an_invoice_and_from_when_an_agent_may_decide() -> None:
    row = BillingSettings(payment_days=51, instalments_most=3, arrears_amount=D(15))
    parts, arrears = rule_previews.settings(row, TODAY).tables
    assert read(parts)["En 3 fois"] == [
        "33,34 € le mercredi 30 décembre 2026\n33,33 € le samedi 30 janvier 2027"
        "\n33,33 € le dimanche 28 février 2027"
    ]
    shown = read(arrears)
    assert shown["2 relances, le mardi 24 novembre"] == ["un agent peut décider"]
    assert "24/11/2026" in shown["2 relances, le lundi 9 novembre"][0]
    assert shown["1 relance, le mardi 24 novembre"] != ["un agent peut décider"]


def test_a_town_without_due_dates_reads_that_an_agent_may_agree_on_them() -> None:
    parts, _ = rule_previews.settings(BillingSettings(), TODAY).tables
    assert not parts.rows and "un agent le peut" in parts.none
