"""Prices by age on a day of the school year, and by classes: « du CP au CE2 », « jusqu'au CM2 »."""

from datetime import date
from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError
from hypothesis import given
from hypothesis import strategies as st

from billing.models import TariffModifier
from billing.prices import estimates
from billing.prices.books import FactsBook, PriceBook
from billing.prices.estimates import Estimates
from billing.rules import pricing
from portal.french import grades
from portal.french.grades import Grade
from portal.reservations.models import Activity, Schooling
from portal.reservations.towns import town_file
from tests.factories import SchoolClassFactory, SchoolingFactory

D = Decimal
DAY = date(2026, 11, 30)
FLAT = pricing.Tariff(pricing.Kind.FLAT, (pricing.Band(None, None, {"": D("4.00")}),))


def priced(*modifiers: pricing.Modifier, **facts: object) -> pricing.Price:
    tariff = pricing.Tariff(FLAT.kind, FLAT.bands, modifiers=modifiers)
    return pricing.price(tariff, pricing.Facts(**facts), DAY)


def of_classes(first: int, last: int, price: str) -> pricing.Modifier:
    words = grades.between(first or None, last or None)
    return pricing.Modifier(pricing.When.GRADE, pricing.Effect.PRICE, D(price), first, words, last=last)


CYCLES = (of_classes(Grade.CP, Grade.CE2, "3.10"), of_classes(Grade.CM1, Grade.CM2, "3.60"))


@pytest.mark.parametrize(
    ("grade", "amount"),
    [(Grade.GS, "4.00"), (Grade.CP, "3.10"), (Grade.CE2, "3.10"), (Grade.CM1, "3.60"), (Grade.SIXTH, "4.00")],
)
def test_a_price_for_each_range_of_classes(grade, amount):
    assert priced(*CYCLES, grades=(grade, grade)).amount == D(amount)


def test_a_class_of_two_grades_pays_the_higher_range():
    assert priced(*CYCLES, grades=(Grade.CE2, Grade.CM1)).amount == D("3.60")


def test_until_cm2_and_the_words_say_it():
    found = priced(of_classes(0, Grade.CM2, "2.00"), grades=(Grade.GS, Grade.GS))
    assert found.amount == D("2.00") and "Classe jusqu'au CM2" in found.explanation
    assert priced(of_classes(0, Grade.CM2, "2.00"), grades=(Grade.SIXTH, Grade.SIXTH)).amount == D("4.00")
    assert priced(of_classes(0, Grade.CM2, "2.00")).amount == D("4.00")  # the class is not known


def test_ranges_in_words():
    assert grades.between(Grade.CP, Grade.CE2) == "du CP au CE2"
    assert grades.between(Grade.PS, Grade.GS) == "de la petite section à la grande section"
    assert grades.between(Grade.CM2, Grade.CM2) == "CM2"
    assert grades.between(None, Grade.CM2) == "jusqu'au CM2"
    assert grades.between(Grade.SIXTH, None) == "à partir de la 6e"


def test_under_six_on_31_december_or_on_the_day():
    on = pricing.AgeOn
    young = [
        pricing.Modifier(pricing.When.AGE, pricing.Effect.PRICE, D("2.50"), 6, age_on=when)
        for when in (on.DAY, on.DECEMBER, on.SEPTEMBER)
    ]
    ages = {"age": 5, "age_december": 6, "age_september": 5}
    assert [priced(one, **ages).amount for one in young] == [D("2.50"), D("4.00"), D("2.50")]
    assert "Moins de 6 ans au 1er septembre" in priced(young[2], **ages).explanation


@given(st.sampled_from(Grade), st.sampled_from(Grade), st.sampled_from(Grade))
def test_a_range_holds_exactly_its_classes(first, last, grade):
    if first > last:
        return
    found = priced(of_classes(first, last, "1.00"), grades=(grade, grade)).amount
    assert (found == D("1.00")) == (first <= grade <= last)


# Of a child ------------------------------------------------------------------------------------------------

pytestmark = pytest.mark.django_db


def both(who, canteen) -> set[Decimal]:
    """What the planning says and what the invoice would: the same."""
    estimates.forget()
    shown = Estimates.load(who.enrolment, DAY, DAY).price(canteen.formula.pk, DAY)
    book = PriceBook.load([canteen.formula.pk], DAY, DAY)
    people = FactsBook.load([who.household.pk], DAY, DAY, asks=book.asks)
    facts = people.facts(who.household.pk, who.child.pk, canteen.activity.pk, DAY)
    return {shown, book.price(canteen.formula.pk, facts, DAY).amount}


def attends(who, name: str, year, school) -> None:
    Schooling.objects.filter(child=who.child).delete()
    SchoolingFactory(
        child=who.child, school_class=SchoolClassFactory(school=school, school_year=year, name=name)
    )


def test_the_class_that_the_child_attends_makes_its_price(meals, books, canteen, year, school):
    TariffModifier.objects.create(tariff=meals, when="grade", last_grade=Grade.CE1, effect="price", amount=1)
    for name, amount in (("CP", 1), ("CE1 B", 1), ("CE2", D("3.20"))):
        attends(books, name, year, school)
        assert both(books, canteen) == {D(amount)}, name


def test_the_age_on_31_december_makes_the_price(meals, books, canteen):
    TariffModifier.objects.create(
        tariff=meals, when="age", number=6, age_counts="december", effect="price", amount=1
    )
    for born, amount in ((date(2020, 12, 31), D("3.20")), (date(2021, 1, 1), 1)):
        books.child.birth_date = born
        books.child.save()
        assert both(books, canteen) == {D(amount)}, born


def test_a_rule_without_classes_or_the_wrong_way_round_is_refused(meals):
    for wrong in ({}, {"first_grade": Grade.CM1, "last_grade": Grade.CP}):
        with pytest.raises(ValidationError):
            TariffModifier(tariff=meals, when="grade", effect="price", amount=1, **wrong).full_clean()


def test_the_town_s_file_says_limits_and_prices(canteen):
    town_file.load(
        """
activités:
  - code: mercredis
    nom: Mercredis
    service: loisirs
    établissements: []
    âge_minimum: 3
    âge_compté: au_31_décembre
    formules:
      - {code: journee, nom: Journée, moments: [matin, midi, après-midi], à_partir_de_la_classe: CP}
tarifs:
  - code: mercredis
    nom: Mercredis
    principe: unique
    tranches: [{prix: 12}]
    règles_particulières:
      - {quand: classe, à_la_classe: CE2, effet: prix, valeur: 10}
      - {quand: âge, à_partir_de: 6, âge_compté: au_1er_septembre, effet: prix, valeur: 8}
    formules: [{formule: mercredis/journee}]
"""
    )
    assert Activity.objects.get(code="mercredis").formulas_limited
    said = town_file.export()
    for words in ("âge_compté: au_31_décembre", "à_partir_de_la_classe: CP", "à_la_classe: CE2"):
        assert words in said, words
    rows = TariffModifier.objects.filter(tariff__code="mercredis").order_by("when")
    assert [(row.when, row.age_counts, row.last_grade) for row in rows] == [
        ("age", "september", None),
        ("grade", "day", Grade.CE2),
    ]
    assert town_file.load(said).changes_nothing
