"""« Mon compte famille »: seven blocks in order, whatever the household."""

import re
from datetime import date, timedelta
from html import unescape

import pytest
import time_machine
from django.contrib.auth.models import AnonymousUser
from django.template.loader import render_to_string
from django.test import Client, RequestFactory
from django.urls import reverse

from families.custody import calendars
from families.custody.calendars import Terms
from families.models import Child, Custody, Household
from portal.models import Town
from portal.reservations.models import Booking
from tests.conftest import NOW, Family, family, logged_in, other_home_of
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
    paris,
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


def test_seven_blocks_stand_in_order_under_the_days(books_client):
    html = page(books_client)
    headings = re.findall(r"<h2[^>]*>([^<]+)</h2>", re.sub(r"<dialog.*?</dialog>", "", html, flags=re.DOTALL))
    assert headings == ["Les jours qui viennent", *HEADINGS]


def test_every_block_is_a_landmark_named_by_its_heading(books_client):
    html = page(books_client)
    named = re.findall(r'<section class="block[^"]*" aria-labelledby="([^"]+)"', html)
    assert len(named) == 7
    assert all(f'<h2 id="{name}"' in html for name in named)


def booked(who: Family, canteen, day: date, child: Child | None = None, state: str = "accepted") -> None:
    BookingFactory(
        household=who.household,
        child=child or who.child,
        enrolment=who.enrolment,
        activity=canteen.activity,
        establishment=canteen.restaurant,
        formula=canteen.formula,
        day=day,
        state=state,
    )


def words(html: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


def days(client: Client) -> tuple[str, str]:
    """What stands open, and what is folded, of the days that come."""
    section = page(client).split('id="jours-qui-viennent"')[1].split("</section>")[0].partition("</h2>")[2]
    shown, _, folded = section.partition('<div class="folds">')
    return words(shown), words(folded)


def test_today_and_the_next_day_of_school_stand_open_the_rest_is_folded(books, books_client, canteen):
    booked(books, canteen, date(2026, 11, 10))
    booked(books, canteen, date(2026, 11, 12), state="requested")
    menu = MenuFactory(restaurant=canteen.restaurant, day=date(2026, 11, 12))
    DishFactory(menu=menu, name="Gratin de courge")
    shown, folded = days(books_client)
    assert "Aujourd'hui, lundi 9 novembre Rien de réservé" in shown
    assert "Demain, mardi 10 novembre Lina repas : réservé" in shown
    assert "jeudi 12" not in shown.lower()
    assert "Jusqu'au 20 novembre" in folded
    assert "Mercredi 11 novembre Férié : Armistice de 1918" in folded
    assert "Jeudi 12 novembre Lina repas : demande de réservation" in folded
    assert "Gratin de courge" in folded


def test_a_day_that_the_other_home_reserved_is_said_to_be_so(books, canteen):
    other = other_home_of(books)
    booked(other, canteen, date(2026, 11, 10))
    booked(other, canteen, date(2026, 11, 12), state="waitlisted")
    shown, folded = days(books.client())
    assert "Demain, mardi 10 novembre Lina repas : réservé par l'autre foyer" in shown
    assert "Jeudi 12 novembre Lina repas : demandé par l'autre foyer" in folded
    assert "Demain, mardi 10 novembre Lina repas : réservé" in days(other.client())[0]
    for secret in ("Garcia", "3,20", canteen.restaurant.name):
        assert secret not in shown + folded


def test_a_place_offered_to_the_other_home_is_not_this_one_s_to_answer(books, canteen):
    other = other_home_of(books)
    booked(other, canteen, date(2026, 11, 12), state="waitlisted")
    Booking.objects.update(state="offered", offered_until=NOW + timedelta(hours=3))
    page = books.client().get("/").content.decode()
    assert "Place proposée" not in page and "place proposée" not in page
    assert "demandé par l'autre foyer" in page.replace("&#x27;", "'")
    assert "Place proposée" in other.client().get("/").content.decode()


def test_home_says_whose_day_it_is_and_asks_nothing_on_the_other_s(books, canteen):
    other = other_home_of(books)
    terms = Terms(books.household.pk, other.household.pk, weekday=4)
    asked = calendars.propose(books.child, terms, home=books.household, by=books.user, at=NOW)
    calendars.confirm(asked, by=other.user, at=NOW)
    booked(books, canteen, date(2026, 11, 23))
    with time_machine.travel(paris(2026, 11, 20, 9), tick=False):
        shown, folded = days(books.client())
    assert "Aujourd'hui, vendredi 20 novembre Lina chez vous rien de réservé" in shown
    assert "Lundi 23 novembre Lina dans l'autre foyer repas : réservé" in shown
    assert "Mardi 24 novembre Lina dans l'autre foyer" in folded
    assert "dans l'autre foyer rien de réservé" not in shown + folded


def test_a_home_that_the_child_has_left_reads_nothing_of_it(books, canteen):
    other = other_home_of(books)
    booked(other, canteen, date(2026, 11, 10))
    Custody.objects.filter(household=books.household).update(until=date(2026, 11, 9))
    assert "foyer" not in "".join(days(books.client()))


@pytest.mark.parametrize(
    ("at", "today"),
    [
        (paris(2026, 11, 14, 9), "Aujourd'hui, samedi 14 novembre Pas d'école"),
        (paris(2026, 11, 13, 22), "Aujourd'hui, vendredi 13 novembre Rien de réservé"),
    ],
)
def test_before_a_week_end_the_next_day_of_school_is_monday(books, canteen, at, today):
    booked(books, canteen, date(2026, 11, 16))
    with time_machine.travel(at, tick=False):
        shown, _ = days(books.client())
    assert shown == f"{today} Lundi 16 novembre Lina repas : réservé"


def test_in_the_holidays_the_next_day_is_the_one_that_is_booked(books, canteen):
    booked(books, canteen, date(2026, 12, 23))
    with time_machine.travel(paris(2026, 12, 21, 9), tick=False):
        shown, _ = days(books.client())
    assert shown == ("Aujourd'hui, lundi 21 décembre Pas d'école Mercredi 23 décembre Lina repas : réservé")


def test_children_come_in_the_order_of_their_age_on_the_whole_page(books, canteen, year):
    """Eldest first, whatever the alphabet says; who is enrolled nowhere is not told day by day."""
    eldest = ChildFactory(
        first_name="Zoé", last_name="Roux", birth_date=date(2016, 3, 1), households=[books.household]
    )
    baby = ChildFactory(
        first_name="Abel", last_name="Roux", birth_date=date(2024, 3, 1), households=[books.household]
    )
    EnrolmentFactory(
        household=books.household,
        child=eldest,
        activity=canteen.activity,
        establishment=canteen.restaurant,
        school_year=year,
    )
    for child in (books.child, eldest):
        booked(books, canteen, date(2026, 11, 10), child)
    client = books.client()
    shown, _ = days(client)
    assert "mardi 10 novembre Zoé repas : réservé Lina repas : réservé" in shown
    assert baby.first_name not in shown
    html = page(client)
    children = words(html.split('id="mes-enfants"')[1].split("</section>")[0])
    assert re.findall("Zoé|Lina|Abel", children.replace("la fiche de", ""))[::2] == ["Zoé", "Lina", "Abel"]
    enrolments = words(html.split('id="restauration-inscriptions"')[1].split("<dialog")[0])
    assert enrolments.index("Zoé") < enrolments.index("Lina")


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
    assert "Les jours qui viennent" not in html
    assert "Nouvelle réservation" not in html


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
