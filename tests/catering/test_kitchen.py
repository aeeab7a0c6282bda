"""What the kitchen has to cook."""

import csv
import io
from datetime import date
from types import SimpleNamespace

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test import override_settings
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from catering import kitchen
from families.models import ChildHealth, Diet
from leisure import registers
from portal.reservations.days.calendars import week_of
from portal.reservations.models import Slot
from portal.reservations.states import BookingState
from tests.billing.diners import cancels, eats_on, price_of_adults, teacher_at
from tests.conftest import FRIDAY, THURSDAY, enrolled, family
from tests.factories import (
    ActivityFactory,
    BookingFactory,
    CentreFactory,
    DietFactory,
    EnrolmentFactory,
    FormulaFactory,
    HealthFactory,
    SchoolClassFactory,
)

PAGE = "admin:catering_kitchen"


@pytest.fixture
def eaters(asks, books, waits, canteen):
    """Lina eats on Thursday and Friday, Noé, without pork, on Thursday; a third family only waits."""
    waits.child.diet_choice.diet = DietFactory(name="Sans porc")
    waits.child.diet_choice.save()
    asks(books, THURSDAY, FRIDAY, on_request=False)
    asks(waits, THURSDAY, on_request=False)
    return books, waits


def counts_of(group: kitchen.KitchenCounts) -> dict:
    return dict(group.meals)


def test_meals_are_counted_by_class_and_diet(eaters, canteen):
    found = kitchen.expected(canteen.restaurant, [THURSDAY, FRIDAY])
    ce1 = kitchen.ClassGroup("École des Tilleuls", "CE1")
    assert counts_of(found) == {
        (THURSDAY, ce1, "Sans régime particulier"): 1,
        (THURSDAY, ce1, "Sans porc"): 1,
        (FRIDAY, ce1, "Sans régime particulier"): 1,
    }
    assert found.of_day(THURSDAY).total == 2
    assert found.diets_by_day().sums == [2, 1]


def test_who_only_waits_is_not_cooked_for(asks, books, waits, canteen):
    Slot.objects.filter(day=THURSDAY).update(capacity=1)
    asks(books, THURSDAY, on_request=False)
    asks(waits, THURSDAY, on_request=False)
    assert kitchen.expected(canteen.restaurant, [THURSDAY]).of_day(THURSDAY).total == 1


def test_a_child_without_class_or_diet_is_still_fed(canteen, year):
    who = family("seul", "Seul", "Ana")
    enrolment = EnrolmentFactory(
        household=who.household,
        child=who.child,
        activity=canteen.activity,
        establishment=canteen.restaurant,
        school_year=year,
    )
    BookingFactory(enrolment=enrolment, formula=canteen.formula, day=THURSDAY)
    found = kitchen.expected(canteen.restaurant, [THURSDAY])
    nowhere = kitchen.ClassGroup(kitchen.NO_SCHOOL, kitchen.NO_CLASS)
    assert counts_of(found) == {(THURSDAY, nowhere, kitchen.NO_DIET): 1}


def test_counting_costs_five_queries_for_one_family_or_ten(eaters, canteen, year, django_assert_num_queries):
    for number in range(10):
        pupil = SchoolClassFactory(school_year=year, name=f"CP {number}")
        who = enrolled(family(f"f{number}", f"Famille {number}", "Sacha", pupil), canteen, year)
        BookingFactory(enrolment=who.enrolment, formula=canteen.formula, day=THURSDAY)
    HealthFactory(child=eaters[0].child, has_pai=True)
    with django_assert_num_queries(5):
        found = kitchen.expected(canteen.restaurant, week_of(THURSDAY), with_health=True)
    assert found.of_day(THURSDAY).total == 12


WEDNESDAY = date(2026, 11, 25)


@pytest.fixture
def centre(canteen):
    """« Mercredis » at a centre: Matinée without a meal, Repas, and Journée with one."""
    place = CentreFactory(code="les-roseaux", name="Centre des Roseaux")
    activity = ActivityFactory(
        code="mercredis", name="Mercredis", service="leisure", establishments=[place], weekdays=0b100
    )
    morning = FormulaFactory(activity=activity, code="matinee", parts=["morning"], with_meal=False)
    meal = FormulaFactory(activity=activity, code="repas", parts=["noon"], order=1)
    whole = FormulaFactory(activity=activity, code="journee", parts=["morning", "afternoon"], order=2)
    return SimpleNamespace(place=place, activity=activity, morning=morning, meal=meal, whole=whole)


def comes(centre, year, who, *formulas, **booking):
    enrolment = EnrolmentFactory(
        household=who.household,
        child=who.child,
        activity=centre.activity,
        establishment=centre.place,
        school_year=year,
    )
    return [
        BookingFactory(enrolment=enrolment, establishment=centre.place, formula=one, day=WEDNESDAY, **booking)
        for one in formulas
    ]


def test_meals_eaten_at_the_centre_are_cooked_once_a_child(centre, year, books, waits, stranger):
    comes(centre, year, books, centre.whole)
    comes(centre, year, waits, centre.morning, centre.meal)
    comes(centre, year, stranger, centre.morning)
    third = family("garcia", "Garcia", "Nina")
    comes(centre, year, third, centre.meal, centre.whole)
    comes(centre, year, family("leroy", "Leroy", "Tom"), centre.whole, state=BookingState.WAITLISTED)
    sheet = kitchen.expected(centre.place, [WEDNESDAY]).of_day(WEDNESDAY)
    assert sheet.total == registers.register(centre.place, [WEDNESDAY])[0].meals == 3


def test_the_page_offers_each_place_where_a_meal_is_eaten(centre, canteen, year, books, agent_client):
    CentreFactory(code="sans-repas", name="Centre sans repas")
    comes(centre, year, books, centre.whole)
    asked = {"restaurant": centre.place.pk, "jour": WEDNESDAY.isoformat()}
    page = agent_client.get(reverse(PAGE), asked)
    assert list(page.context["form"].fields["restaurant"].queryset) == [canteen.restaurant, centre.place]
    assert "Centre des Roseaux, mercredi 25 novembre 2026 : 1 repas" in page.text


def test_what_stands_is_cooked_whatever_became_of_its_place(centre, year, books, waits, agent_client):
    comes(centre, year, books, centre.whole)
    comes(centre, year, waits, centre.whole, state=BookingState.OFFERED, offered_until=timezone.now())
    centre.activity.formulas.update(active=False)
    centre.activity.establishments.clear()
    page = agent_client.get(reverse(PAGE), {"restaurant": centre.place.pk, "jour": WEDNESDAY.isoformat()})
    assert "Centre des Roseaux, mercredi 25 novembre 2026 : 1 repas" in page.text


def test_a_formula_of_the_canteen_without_a_meal_is_said_to_be_so(canteen, agent_client):
    said = "ne comprend pas de repas"
    assert said not in agent_client.get(reverse(PAGE)).text
    canteen.activity.formulas.update(with_meal=False)
    assert said in agent_client.get(reverse(PAGE)).text


def test_the_week_begins_on_monday():
    assert week_of(date(2026, 11, 29))[0] == date(2026, 11, 23)


def test_health_is_for_who_may_read_it(eaters, agent, agent_client):
    books, _ = eaters
    HealthFactory(child=books.child, has_pai=True, allergies="Arachides")
    asked = {"jour": THURSDAY.isoformat()}
    assert "Arachides" not in agent_client.get(reverse(PAGE), asked).text
    agent.groups.add(Group.objects.get(name="Fiches sanitaires"))
    asked |= {"sante": "1"}
    text = agent_client.get(reverse(PAGE), asked).text
    assert "Arachides" in text
    assert "Roux Lina" in text
    ChildHealth.objects.update(has_pai=False, allergies="")
    assert "Roux Lina" not in agent_client.get(reverse(PAGE), asked).text
    ChildHealth.objects.update(allergens=["sesame"])
    assert "Sésame" in agent_client.get(reverse(PAGE), asked).text
    assert "dont PAI" in agent_client.get(reverse(PAGE), asked | {"format": "csv"}).text


def test_the_kitchen_sees_signs_all_day_and_opens_the_files_on_request(eaters, agent, agent_client, lines):
    books, _ = eaters
    HealthFactory(child=books.child, has_pai=True, allergies="Arachides")
    agent.groups.add(Group.objects.get(name="Fiches sanitaires"))
    asked = {"jour": THURSDAY.isoformat()}
    with override_settings(ASK_AGAIN=True):
        page = agent_client.get(reverse(PAGE), asked).text
        assert "Roux Lina" in page and "Allergie</span>" in page and "Arachides" not in page
        assert lines() == [], "signs are no file"
        answer = agent_client.get(reverse(PAGE), asked | {"sante": "1"})
        assert answer.status_code == 302 and "confirmer-mon-identite" in answer["Location"]
        assert agent_client.get(reverse(PAGE), asked | {"format": "csv"}).status_code == 200
    assert "Arachides" in agent_client.get(reverse(PAGE), asked | {"sante": "1"}).text
    assert lines() == [("health", 1, ["Lina Roux"])]


def test_the_file_holds_one_line_a_class_and_diet(eaters, agent_client):
    answer = agent_client.get(
        reverse(PAGE), {"jour": THURSDAY.isoformat(), "vue": "semaine", "format": "csv"}
    )
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    rows = list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig")), delimiter=";"))
    assert rows[0] == ["jour", "restaurant", "école", "classe", "régime", "repas"]
    assert sum(int(row[-1]) for row in rows[1:]) == 3


def test_a_name_that_looks_like_a_formula_stays_text(eaters, agent_client):
    Diet.objects.filter(name="Sans porc").update(name="=1+1")
    answer = agent_client.get(reverse(PAGE), {"jour": THURSDAY.isoformat(), "format": "csv"})
    assert "'=1+1" in answer.content.decode()


@pytest.mark.parametrize(
    "asked",
    [{"jour": "hier"}, {"restaurant": "999"}, {"restaurant": "x", "vue": "siècle"}, {"jour": "9999-99-99"}],
)
def test_a_wrong_choice_is_said_at_its_field(asked, canteen, agent_client):
    page = agent_client.get(reverse(PAGE), asked)
    assert page.status_code == 200
    assert "errorlist" in page.text


def test_days_beyond_any_calendar_are_refused(canteen, agent_client):
    for day in ("0001-01-01", "9999-12-31"):
        page = agent_client.get(reverse(PAGE), {"jour": day, "vue": "semaine"})
        assert "Choisissez un jour entre 2000 et 2200." in page.text


def test_without_restaurant_the_page_still_opens(agent_client):
    assert agent_client.get(reverse(PAGE)).status_code == 200


def test_adults_at_table_are_a_row_of_their_own(eaters, canteen, agent_client):
    price_of_adults(canteen.formula)
    Diet.objects.filter(name="Sans porc").update(without_pork=True)
    eats_on(teacher_at(canteen, diet=Diet.objects.get(name="Sans porc")), THURSDAY)
    guest = teacher_at(canteen, last_name="Martin")
    eats_on(guest, THURSDAY, FRIDAY)
    cancels(guest, FRIDAY, at=timezone.now())
    found = kitchen.expected(canteen.restaurant, [THURSDAY, FRIDAY], with_adults=True)
    sheet = found.of_day(THURSDAY)
    assert (sheet.rows[-1][0], sheet.rows[-1][2], sheet.total) == (kitchen.ADULTS, 2, 4)
    assert found.total(day=THURSDAY, group=kitchen.ADULTS, diet="Sans porc") == 1
    assert found.total(day=THURSDAY, group=kitchen.ADULTS, diet="Sans régime particulier") == 1
    assert found.total(day=FRIDAY, group=kitchen.ADULTS) == 0
    page = agent_client.get(
        reverse(PAGE), {"restaurant": canteen.restaurant.pk, "jour": THURSDAY.isoformat()}
    )
    assert "4 repas, dont 2 d’adultes" in page.content.decode()


def test_adults_cost_the_kitchen_one_query_whatever_their_number(eaters, canteen, django_assert_num_queries):
    price_of_adults(canteen.formula)
    for number in range(3):
        eats_on(teacher_at(canteen, last_name=f"Adulte {number}"), THURSDAY, FRIDAY)
    with django_assert_num_queries(4):
        kitchen.expected(canteen.restaurant, [THURSDAY, FRIDAY], with_adults=True)


def test_a_town_without_adults_asks_nothing_of_them(eaters, canteen, agent_client):
    asked = {"restaurant": canteen.restaurant.pk, "jour": THURSDAY.isoformat()}
    with CaptureQueriesContext(connection) as found:
        page = agent_client.get(reverse(PAGE), asked).content.decode()
    assert not any('FROM "billing_dinermeal"' in one["sql"] for one in found if "INNER JOIN" in one["sql"])
    assert "adulte" not in page.partition("<h2>")[2].partition("</h2>")[0]
