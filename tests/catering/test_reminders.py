"""A menu that contains what a child may not eat is said: once a child and day, again when it changes."""

from datetime import date, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from catering.reminders import begin
from families.models import Child, ChildHealth, Letter, Reminder
from families.reminders import choices
from families.reminders.evenings import Evening
from tests.conftest import EVENING, THURSDAY, Family
from tests.factories import BookingFactory, ChildFactory, DishFactory, HealthFactory, MenuFactory


@pytest.fixture
def allergic(books: Family) -> Family:
    """Lina may not eat eggs nor milk, and eats at the canteen on Thursday 26."""
    choices.choose(books.guardian, ["menus"], at=EVENING)
    HealthFactory(child=books.child, allergens=["eggs", "milk"], allergies="")
    BookingFactory(enrolment=books.enrolment, day=THURSDAY)
    return books


@pytest.fixture
def menu(canteen):
    return MenuFactory(restaurant=canteen.restaurant, day=THURSDAY)


def test_the_menu_is_compared_with_what_was_ticked(allergic: Family, menu, round_at):
    DishFactory(menu=menu, name="Omelette", allergens=["eggs", "celery"])
    (letter,) = round_at()
    assert letter.subject == "Au menu de la cantine"
    assert "Le menu du jeudi 26 novembre contient désormais : œufs." in letter.body
    assert "Lina" not in letter.body and "allerg" not in letter.body.lower()
    assert round_at(EVENING + timedelta(days=1)) == []


def test_what_is_added_later_is_said_alone(allergic: Family, menu, round_at):
    dish = DishFactory(menu=menu, allergens=["eggs"])
    round_at()
    dish.allergens = ["eggs", "milk"]
    dish.save()
    (letter,) = round_at(EVENING + timedelta(days=1))
    assert "contient désormais : lait." in letter.body


def test_two_allergens_of_a_day_are_one_sentence(allergic: Family, menu, round_at):
    DishFactory(menu=menu, allergens=["milk"])
    DishFactory(menu=menu, allergens=["eggs", "milk"])
    (letter,) = round_at()
    assert "contient désormais : œufs et lait." in letter.body


def test_not_of_a_day_without_a_meal_nor_of_another_child(allergic: Family, canteen, round_at):
    DishFactory(menu=MenuFactory(restaurant=canteen.restaurant, day=date(2026, 11, 27)), allergens=["eggs"])
    assert round_at() == []
    ChildHealth.objects.update(allergens=[])
    DishFactory(menu=MenuFactory(restaurant=canteen.restaurant, day=THURSDAY), allergens=["eggs"])
    assert round_at(EVENING + timedelta(days=1)) == []


def test_an_allergy_that_no_key_reads_says_nothing_and_breaks_nothing(allergic: Family, menu, round_at):
    with connection.cursor() as cursor:
        cursor.execute("UPDATE families_childhealth SET allergens = 'x:unreadable'")
    DishFactory(menu=menu, allergens=["eggs"])
    assert round_at() == []


def test_no_table_tells_who_may_not_eat_what(allergic: Family, menu, round_at):
    DishFactory(menu=menu, allergens=["eggs"])
    round_at()
    kept = str(list(Reminder.objects.values())) + str(list(Letter.objects.values("subject", "kind")))
    with connection.cursor() as cursor:
        cursor.execute("SELECT text FROM families_letter")
        kept += str(cursor.fetchall())
    assert "eggs" not in kept and "œufs" not in kept


def test_one_child_and_ten_take_the_same_queries(allergic: Family, menu):
    DishFactory(menu=menu, allergens=["eggs"])

    def count() -> int:
        with CaptureQueriesContext(connection) as captured:
            found = list(begin(Evening(EVENING))([allergic.household.pk]))
        assert len(found) == Child.objects.count()
        return len(captured)

    one = count()
    for _ in range(9):
        child = ChildFactory(households=[allergic.household])
        HealthFactory(child=child, allergens=["eggs"])
        BookingFactory(enrolment=allergic.enrolment, child=child, day=THURSDAY)
    assert count() == one
