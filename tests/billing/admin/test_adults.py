"""Adults at table at the desk and in the town's file."""

from datetime import date
from decimal import Decimal

import pytest
from django.contrib.auth.models import Group
from django.urls import reverse

from billing.models import AdultPrice, Diner, DinerKind, DinerMeal
from families.models import Household
from portal.desk import jobs
from portal.reservations.staff import giving
from portal.reservations.towns.fields import TownFileError
from portal.reservations.towns.town_file import export, load
from tests.billing.diners import eats_on, price_of_adults, teacher_at
from tests.conftest import logged_in
from tests.factories import EstablishmentFactory, UserFactory, paris

LIST = "admin:billing_diner_changelist"
IN_TIME, LATE_DAY = date(2026, 11, 26), date(2026, 11, 12)
FILE = """
repas_des_adultes:
  - {formule: restauration-scolaire/repas, convives: enseignant, prix: 3.80, jours_avant: 7, prix_plus_tard: 6, tva: 10}
  - {formule: restauration-scolaire/repas, prix: 5}
"""  # noqa: E501


@pytest.fixture
def teacher(canteen):
    price_of_adults(canteen.formula)
    return teacher_at(canteen)


def agent_of(*places):
    user = UserFactory(username="lieu", is_staff=True)
    giving.give(user, Group.objects.get(name="Agent"), places=places, by=None)
    return logged_in(user)


def days_page(diner, month="2026-11"):
    return f"{reverse('admin:billing_diner_days', args=[diner.pk])}?mois={month}"


def typed(canteen, **said):
    return {
        "last_name": "Martin",
        "first_name": "Paul",
        "kind": "staff",
        "establishment": canteen.restaurant.pk,
        "formula": canteen.formula.pk,
        "diet": "",
        "starts_on": "2026-11-02",
        "ends_on": "",
        "street": "2 rue de la Mairie",
        "street_more": "",
        "postcode": "01999",
        "city": "Valmirelle-les-Prés",
        "email": "",
        **said,
    }


def test_an_adult_is_typed_with_its_address_and_its_days_come_next(canteen, agent_client):
    price_of_adults(canteen.formula)
    answer = agent_client.post(reverse("admin:billing_diner_add"), typed(canteen))
    diner = Diner.objects.get()
    assert answer.url == reverse("admin:billing_diner_days", args=[diner.pk])
    assert (diner.kind, diner.household.city) == (DinerKind.STAFF, "Valmirelle-les-Prés")
    assert [str(one) for one in diner.household.guardians.all()] == ["Paul Martin"]


def test_what_is_typed_wrong_is_kept_and_nothing_is_made(canteen, agent_client):
    elsewhere = EstablishmentFactory(code="ailleurs")
    page = agent_client.post(
        reverse("admin:billing_diner_add"), typed(canteen, establishment=elsewhere.pk, street="")
    ).content.decode()
    assert "ne se tient pas à cet établissement" in page
    assert "01999" in page
    assert not Household.objects.exists()


def test_a_month_is_ticked_with_what_each_day_costs(teacher, agent_client):
    page = agent_client.get(days_page(teacher)).content.decode()
    assert "Jeudi 26 novembre <small>3,80\xa0€</small>" in page
    assert "Jeudi 12 novembre <small>6,00\xa0€, délai passé</small>" in page
    assert "Armistice" in page
    answer = agent_client.post(days_page(teacher), {"jour": [IN_TIME.isoformat(), LATE_DAY.isoformat()]})
    assert answer.status_code == 302
    booked = DinerMeal.objects.filter(state="booked").order_by("day")
    assert [one.day for one in booked] == [LATE_DAY, IN_TIME]
    assert str(booked[0].booked_by) == "agent"


def test_a_colleagues_day_of_meanwhile_stays(teacher, agent_client):
    eats_on(teacher, IN_TIME)
    # The page was shown before that day was booked, with another one.
    eats_on(teacher, date(2026, 11, 27))
    agent_client.post(days_page(teacher), {"avant": ["2026-11-27"], "jour": ["2026-11-30"]})
    booked = DinerMeal.objects.filter(state="booked").order_by("day")
    assert [one.day.day for one in booked] == [26, 30]
    assert DinerMeal.objects.get(state="cancelled").day.day == 27


def test_a_refused_day_is_said_and_what_was_ticked_stays(teacher, agent_client):
    said = {"jour": ["2026-11-11", "2026-11-26"]}
    page = agent_client.post(days_page(teacher), said).content.decode()
    assert "Armistice" in page
    assert 'value="2026-11-26" checked' in page
    assert not DinerMeal.objects.exists()


def test_an_agent_of_another_place_sees_nothing(teacher, canteen):
    eats_on(teacher, IN_TIME)
    client = agent_of(EstablishmentFactory(code="ailleurs"))
    assert "Aubry" not in client.get(reverse(LIST)).content.decode()
    assert "Aubry" not in client.get(reverse("admin:billing_dinermeal_changelist")).content.decode()
    assert client.get(days_page(teacher)).status_code == 404
    assert client.post(days_page(teacher), {"avant": [IN_TIME.isoformat()]}).status_code == 404
    assert client.get(reverse("admin:billing_diner_change", args=[teacher.pk])).status_code == 404


def test_an_agent_of_the_place_books(teacher, canteen):
    client = agent_of(canteen.restaurant)
    assert "Aubry" in client.get(reverse(LIST)).content.decode()
    assert client.post(days_page(teacher), {"jour": [IN_TIME.isoformat()]}).status_code == 302
    assert DinerMeal.objects.get().day == IN_TIME


def test_an_agent_of_the_place_welcomes_adults_there_and_nowhere_else(canteen):
    price_of_adults(canteen.formula)
    elsewhere = EstablishmentFactory(code="ailleurs")
    canteen.activity.establishments.add(elsewhere)
    client = agent_of(canteen.restaurant)
    add = reverse("admin:billing_diner_add")
    assert client.post(add, typed(canteen, establishment=elsewhere.pk)).status_code == 200
    assert not Diner.objects.exists()
    assert client.post(add, typed(canteen)).status_code == 302
    assert Diner.objects.get().establishment == canteen.restaurant


def test_the_menu_shows_adults_where_the_town_has_a_price_for_them(canteen):
    assert not jobs.in_sight("billing.diner")
    jobs.used.forget()
    price_of_adults(canteen.formula)
    assert jobs.in_sight("billing.diner")
    assert jobs.in_sight("billing.dinermeal")


@pytest.mark.parametrize("count", [1, 10])
def test_the_list_costs_the_same_for_one_adult_or_ten(
    canteen, agent_client, count, django_assert_max_num_queries
):
    price_of_adults(canteen.formula)
    for number in range(count):
        teacher_at(canteen, last_name=f"Adulte {number}")
    agent_client.get(reverse(LIST))
    with django_assert_max_num_queries(15):
        agent_client.get(reverse(LIST))


def test_a_price_is_typed_and_says_itself(canteen, regie_client):
    said = {"formula": canteen.formula.pk, "kind": "", "valid_from": "", "amount": "3,80"}
    said |= {"notice_days": "7", "late_amount": "6", "vat_percent": "10"}
    assert regie_client.post(reverse("admin:billing_adultprice_add"), said).status_code == 302
    assert AdultPrice.objects.get().amount == Decimal("3.80")
    page = regie_client.get(reverse("admin:billing_adultprice_changelist")).content.decode()
    assert "réservé 7 jours avant au plus tard" in page


def test_a_late_price_below_the_usual_one_is_refused(canteen, regie_client):
    said = {"formula": canteen.formula.pk, "kind": "", "valid_from": "", "amount": "3,80"}
    said |= {"notice_days": "7", "late_amount": "2", "vat_percent": "10"}
    page = regie_client.post(reverse("admin:billing_adultprice_add"), said).content.decode()
    assert "ne coûte pas moins cher" in page
    assert not AdultPrice.objects.exists()


def test_the_towns_file_says_them_and_says_them_again(canteen):
    report = load(FILE)
    assert len(report.created) == 2
    own = AdultPrice.objects.get(kind=DinerKind.TEACHER)
    assert (own.amount, own.late_amount, own.notice_days, own.vat_percent) == (Decimal("3.80"), 6, 7, 10)
    written = export()
    assert "convives: enseignant" in written
    again = load(written)
    assert not [one for one in (*again.created, *again.changed) if "adulte" in one.lower()]


def test_the_towns_file_refuses_a_late_price_without_a_deadline(canteen):
    with pytest.raises(TownFileError, match="demande un délai"):
        load("repas_des_adultes: [{formule: restauration-scolaire/repas, prix: 3, prix_plus_tard: 6}]")


def test_meals_are_booked_at_the_moment_of_the_click(teacher, agent_client, now):
    agent_client.post(days_page(teacher), {"jour": [IN_TIME.isoformat()]})
    assert DinerMeal.objects.get().booked_at == now == paris(2026, 11, 9, 10)
