"""Parents know the price before they reserve."""

from datetime import date
from decimal import Decimal

import pytest
from django.urls import reverse

from billing.estimates import Estimates, forget, total
from billing.models import PackedMeal
from tests.factories import ChildFactory, EnrolmentFactory, QuotientFactory

D = Decimal
FIRST, LAST = date(2026, 11, 2), date(2026, 12, 18)


@pytest.fixture
def costs(meals, books, canteen):
    QuotientFactory(household=books.household, value=D(812), valid_from=date(2026, 1, 1))
    return Estimates.load(books.enrolment, FIRST, LAST)


def test_the_household_s_price_and_why(costs, canteen):
    said = costs.sentence(canteen.formula, FIRST).replace("\N{NO-BREAK SPACE}", " ")
    assert said == "Tarif de votre foyer : 3,20 € (Repas), quotient 812"
    assert costs.price(canteen.formula.pk, FIRST, late=True) == D("4.20")


def test_forty_days_are_priced_without_another_query(costs, canteen, django_assert_num_queries):
    with django_assert_num_queries(0):
        prices = [costs.price(canteen.formula.pk, FIRST) for _ in range(40)]
    assert total(prices) == (D("128.00"), True)


def test_a_formula_without_tariff_has_no_price_and_breaks_nothing(costs, canteen, books):
    assert costs.price(canteen.formula.pk + 1, FIRST) is None
    assert costs.sentence(type(canteen.formula)(pk=0, name="Goûter"), FIRST) == ""
    assert total([D(1), None]) == (D(1), False)


def test_loading_costs_the_same_for_a_day_and_a_year(meals, books, canteen, django_assert_max_num_queries):
    Estimates.load(books.enrolment, FIRST, LAST)  # tariffs are kept half a minute
    with django_assert_max_num_queries(1):
        Estimates.load(books.enrolment, FIRST, LAST)
    meals.modifiers.create(when="children", number=2, effect="percent", amount=-10)
    meals.modifiers.create(when="level", level="maternelle", effect="price", amount=1)
    meals.modifiers.create(when="pai", effect="price", amount=1)
    forget()
    Estimates.load(books.enrolment, FIRST, LAST)
    with django_assert_max_num_queries(1):
        Estimates.load(books.enrolment, FIRST, LAST)


def test_rank_level_and_packed_meal_of_the_household_count(meals, books, canteen):
    QuotientFactory(household=books.household, value=D(812), valid_from=date(2026, 1, 1))
    QuotientFactory(household=books.household, value=D(300), valid_from=date(2026, 11, 10))
    younger = ChildFactory(birth_date=date(2021, 5, 4), households=[books.household])
    mine = EnrolmentFactory(
        child=younger,
        household=books.household,
        activity=canteen.activity,
        establishment=books.enrolment.establishment,
        school_year=books.enrolment.school_year,
    )
    meals.modifiers.create(when="rank", number=2, effect="percent", amount=-50)
    meals.modifiers.create(when="level", level="maternelle", effect="add", amount=0)
    meals.modifiers.create(when="pai", effect="price", amount=1)
    forget()
    ours = [Estimates.load(one, FIRST, LAST) for one in (books.enrolment, mine)]
    formula = canteen.formula.pk
    assert [one.on(formula, FIRST) for one in ours] == [D("3.20"), D("1.60")]
    assert [one.on(formula, LAST) for one in ours] == [D("1.75"), D("0.88")]
    PackedMeal.objects.create(enrolment=books.enrolment, valid_from=date(2026, 11, 3))
    mornings = Estimates.load(books.enrolment, FIRST, LAST)
    assert [mornings.on(formula, day) for day in (FIRST, LAST)] == [D("3.20"), D("1.00")]


def test_the_enrolment_page_says_the_household_s_price(costs, books, books_client):
    address = reverse("catering:enrolment", args=[books.enrolment.pk])
    said = books_client.get(address).content.decode().replace("\N{NO-BREAK SPACE}", " ")
    assert "Tarif de votre foyer : 3,20 € (Repas), quotient 812" in said
    assert "Quotient 812, tranche à partir de 451 : 3,20 €." in said


def test_without_tariff_the_enrolment_page_says_nothing_of_prices(books, books_client):
    said = books_client.get(reverse("catering:enrolment", args=[books.enrolment.pk])).content.decode()
    assert "Tarif" not in said
