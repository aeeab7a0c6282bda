"""A town writes prices by number into its file, as Frans publishes them; contradictions are refused."""

from datetime import date
from decimal import Decimal

import pytest

from billing.invoices import invoicing
from billing.invoices.billable import Scope
from billing.models import Invoice, InvoiceLine, Tariff
from portal.reservations.models import Attendance, Formula
from portal.reservations.towns import town_file
from tests.billing.conftest import DECEMBER, END_OF_DECEMBER
from tests.factories import (
    BookingFactory,
    EnrolmentFactory,
    QuotientFactory,
    paris,
)

FRANS = """
établissements:
  - {code: centre, nom: Centre de loisirs, type: centre}
activités:
  - code: peri
    nom: Périscolaire
    service: leisure
    établissements: [centre]
    jours: [lundi, mardi, jeudi, vendredi]
    formules: [{code: soir, nom: Soir, moments: [soir]}]
  - code: vacances
    nom: Petites vacances
    service: leisure
    établissements: [centre]
    pendant: vacances
    formules: [{code: f2, nom: Forfait 2 jours, moments: [matin, midi, après-midi], repas_compris: oui}]
tarifs:
  - code: peri
    nom: Périscolaire
    prix_pour: heure
    colonnes: [ponctuel, regulier]
    tranches:
      - {à: 719.99, prix: {ponctuel: 2.30, regulier: 1.90}}
      - {de: 720, à: 919.99, prix: {ponctuel: 2.50, regulier: 2.10}}
      - {de: 920, prix: {ponctuel: 2.70, regulier: 2.35}}
    selon_le_nombre: [{effet: colonne, par: semaine, nombre: 4, colonne: regulier}]
    formules: [{formule: peri/soir}]
  - code: vacances
    nom: Petites vacances
    colonnes: [f2, f3, f5]
    tranches:
      - {à: 719.99, prix: {f2: 49, f3: 67, f5: 112}}
      - {de: 720, à: 919.99, prix: {f2: 51, f3: 70, f5: 117}}
      - {de: 920, prix: {f2: 53, f3: 73, f5: 122}}
    selon_le_nombre:
      - {effet: forfait_de_jours, nombre: 2, colonne: f2}
      - {effet: forfait_de_jours, nombre: 3, colonne: f3}
      - {effet: forfait_de_jours, nombre: 5, colonne: f5}
    formules: [{formule: vacances/f2}]
"""


@pytest.fixture
def frans(db):
    town_file.load(FRANS)


@pytest.fixture
def child(frans, books):
    """Lina, of a quotient of 800."""
    QuotientFactory(household=books.household, value=Decimal(800), valid_from=date(2026, 1, 1))
    return books.child


def bookings(child, code, days):
    formula = Formula.objects.get(activity__code=code)
    enrolment = EnrolmentFactory(
        child=child,
        household=child.households.get(),
        activity=formula.activity,
        establishment=formula.activity.establishments.get(),
    )
    return [BookingFactory(enrolment=enrolment, formula=formula, day=day) for day in days]


def test_four_evenings_of_an_hour_at_the_regular_price(child):
    for booking in bookings(child, "peri", [date(2026, 12, day) for day in (7, 8, 10, 11)]):
        Attendance.objects.create(
            booking=booking, household=booking.household, child=booking.child, formula=booking.formula,
            establishment=booking.establishment, day=booking.day, state="present", minutes=60,
            entered_at=END_OF_DECEMBER,
        )  # fmt: skip
    invoicing.issue(invoicing.start(DECEMBER, by=None, at=END_OF_DECEMBER), at=END_OF_DECEMBER)
    assert Invoice.objects.get().total == Decimal("8.40")


def test_three_days_under_the_package_of_two(child):
    bookings(child, "vacances", [date(2027, 2, day) for day in (15, 16, 17)])
    at = paris(2027, 2, 28, 18)
    invoicing.issue(invoicing.start(Scope(date(2027, 2, 1)), by=None, at=at), at=at)
    assert Invoice.objects.get().total == Decimal("70.00")
    assert [line.label for line in InvoiceLine.objects.order_by("position")] == [
        "3 jours : forfait 3 jours, 70,00\xa0€ – semaine du 15 février",
        "Forfait 2 jours",
    ]


def test_the_file_written_again_says_the_same(frans):
    assert town_file.load(town_file.export()).changed == []
    assert Tariff.objects.get(code="vacances").quantities.count() == 3


@pytest.mark.parametrize(
    ("right", "wrong", "sentence"),
    [
        ("nombre: 5, colonne: f5", "nombre: 5, colonne: f6", "La grille n'a pas la colonne « f6 »"),
        ("prix_pour: heure", "prix_pour: mois", "ne dépend pas du nombre de jours pris"),
        (
            "[{effet: colonne, par: semaine, nombre: 4, colonne: regulier}]",
            "[{effet: plafond, par: mois, montant: 8}, {effet: minimum, par: mois, montant: 9}]",
            "Le minimum dépasse le plafond",
        ),
        ("colonne: regulier}", "}", "Indiquez la colonne"),
    ],
)
def test_what_contradicts_itself_is_refused_with_its_sentence(db, right, wrong, sentence):
    with pytest.raises(town_file.TownFileError) as refused:
        town_file.load(FRANS.replace(right, wrong))
    assert sentence in str(refused.value)
    assert not Tariff.objects.exists()
