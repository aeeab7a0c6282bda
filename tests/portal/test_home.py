"""« Mon compte famille »: seven blocks in order, whatever the household."""

import re
from datetime import date

import pytest
from django.contrib.auth.models import AnonymousUser
from django.template.loader import render_to_string
from django.test import Client, RequestFactory
from django.urls import reverse

from families.models import Household
from portal.models import Town
from tests.conftest import family, logged_in
from tests.factories import (
    BookingFactory,
    ChildFactory,
    DishFactory,
    EnrolmentFactory,
    MenuFactory,
    PublicHolidayFactory,
    ReservationFactory,
    ReservationLineFactory,
    SchoolingFactory,
    UserFactory,
)

HEADINGS = [
    "Mes Informations",
    "Mes Enfants",
    "Restauration – Les Inscriptions",
    "Restauration – Les Réservations",
    "Accueil de loisirs / Périscolaire – Les Inscriptions",
    "Accueil de loisirs / Périscolaire – Les Réservations",
    "Mes Factures &amp; Paiements",
]


def page(client: Client, address: str = "/") -> str:
    answer = client.get(address)
    assert answer.status_code == 200
    return answer.content.decode()


def test_seven_blocks_stand_in_order_under_the_week(books_client):
    html = page(books_client)
    headings = re.findall(r"<h2[^>]*>([^<]+)</h2>", re.split(r"<dialog", html)[0] + html)
    found = [heading for heading in dict.fromkeys(headings) if heading in {"Cette semaine", *HEADINGS}]
    assert found == ["Cette semaine", *HEADINGS]


def test_every_block_is_a_landmark_named_by_its_heading(books_client):
    html = page(books_client)
    named = re.findall(r'<section class="block[^"]*" aria-labelledby="([^"]+)"', html)
    assert len(named) == 8
    assert all(f'<h2 id="{name}"' in html for name in named)


def test_week_tells_bookings_menu_and_holiday(books, books_client, canteen):
    BookingFactory(
        household=books.household,
        child=books.child,
        enrolment=books.enrolment,
        activity=canteen.activity,
        establishment=canteen.restaurant,
        formula=canteen.formula,
        day=date(2026, 11, 12),
        state="accepted",
    )
    menu = MenuFactory(restaurant=canteen.restaurant, day=date(2026, 11, 12))
    DishFactory(menu=menu, name="Gratin de courge")
    week = page(books_client).split('id="cette-semaine"')[1].split("</section>")[0]
    thursday = week.split("Jeudi 12")[1].split("Vendredi 13")[0]
    assert "Lina" in thursday
    assert "réservation acceptée" in thursday
    assert "Gratin de courge" in thursday
    wednesday = week.split("Mercredi 11")[1].split("Jeudi 12")[0]
    assert "Armistice" in wednesday


def test_brothers_and_sisters_at_one_table_read_one_menu(books, books_client, canteen, year):
    sister = ChildFactory(first_name="Inès", last_name="Roux", households=[books.household])
    EnrolmentFactory(
        household=books.household,
        child=sister,
        activity=canteen.activity,
        establishment=canteen.restaurant,
        school_year=year,
    )
    menu = MenuFactory(restaurant=canteen.restaurant, day=date(2026, 11, 12))
    DishFactory(menu=menu, name="Gratin de courge")
    assert page(books_client).count("Gratin de courge") == 1


def test_children_are_shown_with_age_school_and_class(books_client):
    children = page(books_client).split('id="mes-enfants"')[1].split("</section>")[0]
    assert "École des Tilleuls" in children
    assert "CE1" in children


def test_leisure_without_an_enrolment_offers_no_reservation(books_client):
    leisure = page(books_client).split('id="loisirs-inscriptions"')[1].split('id="factures-paiements"')[0]
    assert "Nouvelle inscription" in leisure
    assert "Nouvelle réservation" not in leisure


@pytest.mark.parametrize("children", [1, 6])
def test_home_costs_the_same_whatever_the_family(
    books, canteen, year, school_class, children, django_assert_max_num_queries
):
    for number in range(children - 1):
        child = ChildFactory(last_name="Roux", households=[books.household])
        SchoolingFactory(child=child, school_class=school_class)
        enrolment = EnrolmentFactory(
            household=books.household,
            child=child,
            activity=canteen.activity,
            establishment=canteen.restaurant,
            school_year=year,
        )
        for state in ("accepted", "pending"):
            reservation = ReservationFactory(
                household=books.household,
                child=child,
                enrolment=enrolment,
                establishment=canteen.restaurant,
                period=canteen.period,
                state=state,
            )
            ReservationLineFactory(reservation=reservation, formula=canteen.formula, day=date(2026, 11, 12))
        BookingFactory(
            household=books.household,
            child=child,
            enrolment=enrolment,
            activity=canteen.activity,
            establishment=canteen.restaurant,
            formula=canteen.formula,
            day=date(2026, 11, 12 + number % 2),
            state="accepted",
        )
    DishFactory(menu=MenuFactory(restaurant=canteen.restaurant, day=date(2026, 11, 12)))
    PublicHolidayFactory(day=date(2026, 11, 13), name="Fête locale")
    client = books.client()
    page(client)
    with django_assert_max_num_queries(14):
        page(client)


def test_waiting_household_reads_that_first(now, town: Town):
    who = family("nouveau", "Nouveau", "Tom")
    Household.objects.filter(pk=who.household.pk).update(state=Household.State.REQUESTED)
    html = page(who.client())
    assert html.index("en attente de validation") < html.index("Mes Informations")
    assert "Cette semaine" not in html
    assert "Nouvelle inscription" not in html


def test_refused_household_reads_why(now, town: Town):
    who = family("refuse", "Refus", "Tom")
    Household.objects.filter(pk=who.household.pk).update(
        state=Household.State.REFUSED, refusal_reason="Le justificatif est illisible."
    )
    assert "Le justificatif est illisible." in page(who.client())


def test_agent_without_household_is_shown_to_the_desk(agent_client, town: Town):
    html = page(agent_client)
    assert reverse("admin:index") in html
    assert "rattaché à aucun foyer" in html


def test_login_without_household_is_told_whom_to_ask(now, town: Town):
    html = page(logged_in(UserFactory(username="seul")))
    assert "mairie@example.org" in html
    assert "Administration" not in html


def test_anonymous_is_sent_to_the_login_page(town: Town):
    answer = Client().get("/")
    assert answer.status_code == 302
    assert answer["Location"].startswith("/connexion/")


@pytest.mark.parametrize("address", ["/mentions-legales/", "/donnees-personnelles/", "/accessibilite/"])
def test_footer_pages_are_open_to_all(town: Town, address: str):
    html = page(Client(), address)
    assert "Valmirelle-les-Prés" in html
    assert "Accessibilité : non conforme" in html


def test_every_page_leads_past_its_header_by_keyboard(books_client):
    html = page(books_client)
    assert html.index('href="#contenu"') < html.index("<header")
    assert 'id="contenu"' in html


# When something goes wrong ----------------------------------------------------------------------------------


def test_unknown_address_helps_in_french(books_client):
    answer = books_client.get("/nulle-part/")
    assert answer.status_code == 404
    assert "Page introuvable" in answer.content.decode()


def test_form_without_token_says_that_it_expired(books):
    client = Client(enforce_csrf_checks=True)
    client.force_login(books.user)
    answer = client.post(reverse("account_logout"))
    assert answer.status_code == 403
    assert "Ce formulaire a expiré" in answer.content.decode()


@pytest.mark.parametrize("template", ["400.html", "500.html"])
def test_broken_portal_still_answers_in_french_without_database(template: str):
    assert "Revenir à mon compte famille" in render_to_string(template)


def test_forbidden_page_names_the_way_back(town: Town):
    request = RequestFactory().get("/")
    request.user = AnonymousUser()
    html = render_to_string("403.html", {"messages": []}, request=request)
    assert reverse("home") in html
