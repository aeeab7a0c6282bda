"""The guide, parts 1 to 4.6, by the names one sees."""

import re
from datetime import date

import pytest
from django.core import mail
from playwright.sync_api import expect

from portal.reservations.acts import booking, enrolling, reservation_drafts
from portal.reservations.acts.refusals import Choice
from portal.reservations.models import Booking, Enrolment, Reservation, Slot
from portal.reservations.states import BookingState, EnrolmentState, ReservationState
from tests.browser.conftest import EVERY_WAY
from tests.browser.journeys import block, choose, click_day, day, follow, go_on
from tests.factories import ChildFactory, DietFactory, EnrolmentFactory

pytestmark = pytest.mark.django_db(transaction=True)


def test_part_1_and_2_one_logs_in_and_recovers_what_is_forgotten(books, open_page, javascript):
    page = open_page(javascript=javascript)
    page.goto("/")
    page.get_by_role("link", name="Identifiant ou mot de passe oublié ?").click()
    page.get_by_label("Adresse e-mail").fill(books.user.email)
    page.get_by_role("button", name="Envoyer").click()
    page.get_by_role("link", name="OK").or_(page.get_by_role("button", name="OK")).click()
    expect(page.get_by_role("button", name="Se connecter")).to_be_visible()
    letter = mail.outbox[-1].body
    assert books.user.username in letter

    page.goto(
        next(found for found in re.findall(r"https?://[^/\s]+(/\S+)", letter) if "mot-de-passe" in found)
    )
    new = "girafe-bleue-sous-la-pluie-42"
    for field in page.locator("input[type=password]").all():
        field.fill(new)
    follow(page.locator("main").get_by_role("button").last)
    page.goto("/connexion/")
    if page.get_by_role("button", name="Se connecter").count():
        page.get_by_label("Identifiant").fill(books.user.username)
        page.locator("input").and_(page.get_by_label("Mot de passe")).fill(new)
        page.get_by_role("button", name="Se connecter").click()
    expect(page.get_by_role("heading", name="Mon compte famille")).to_be_visible()


def test_part_3_the_account_shows_its_seven_blocks(books, open_page, javascript):
    page = open_page("roux", javascript=javascript)
    for heading in (
        "Mes Informations",
        "Mes Enfants",
        "Restauration – Les Inscriptions",
        "Restauration – Les Réservations",
        "Accueil de loisirs / Périscolaire – Les Inscriptions",
        "Accueil de loisirs / Périscolaire – Les Réservations",
        "Mes Factures & Paiements",
    ):
        expect(block(page, heading)).to_be_visible()


@EVERY_WAY
def test_part_4_1_and_4_2_a_child_is_enrolled_seen_and_changed(
    books, canteen, open_page, javascript, size, agent
):
    child = ChildFactory(first_name="Hugo", last_name="Roux", households=[books.household])
    DietFactory(name="Sans porc")
    page = open_page("roux", javascript=javascript, size=size)
    enrolments = block(page, "Restauration – Les Inscriptions")
    enrolments.get_by_role("link", name="Nouvelle inscription").click()
    choose(page, "Hugo")

    page.get_by_label("École").select_option("École des Tilleuls")
    page.get_by_label("Classe").select_option(label="CE1, École des Tilleuls")
    restaurant = page.get_by_label("Restaurant scolaire").first
    if javascript:
        expect(restaurant.locator("option:checked")).to_have_text("Restaurant du Verger")  # the only one
    restaurant.select_option("Restaurant du Verger")
    page.get_by_label("Régime alimentaire").select_option("Sans porc")
    page.get_by_label("Date de début").select_option(label="jeudi 12 novembre 2026")
    proposed = page.get_by_role("checkbox", checked=True)  # her sister's days
    while proposed.count():
        proposed.first.uncheck()
    page.get_by_role("button", name="Enregistrer").click()
    expect(page.get_by_role("alert").first).to_contain_text("jour")  # no weekday ticked: said, nothing lost
    expect(page.get_by_label("Régime alimentaire")).to_have_value(re.compile(r"\d+"))
    page.get_by_label("Lundi").check()
    page.get_by_label("Jeudi").check()
    page.get_by_role("button", name="Enregistrer").click()

    row = enrolments.get_by_role("listitem").filter(has_text="Hugo")
    expect(row).to_contain_text("En attente de traitement")
    enrolment = Enrolment.objects.get(child=child)
    assert enrolment.weekdays == 0b01001
    enrolling.accept(enrolment, by=agent, at=canteen.period.opens_at or enrolment.requested_at)

    page.reload()
    expect(row).to_contain_text("Acceptée")
    row.get_by_role("link", name="Consulter / modifier").click()
    expect(page.get_by_label("Lundi")).to_be_checked()
    page.get_by_label("Mardi").check()
    page.get_by_role("button", name="Enregistrer").click()
    expect(page.get_by_role("heading", name="Mon compte famille")).to_be_visible()
    enrolment.refresh_from_db()
    assert (enrolment.weekdays, enrolment.state) == (0b01011, EnrolmentState.ACCEPTED)


@EVERY_WAY
def test_part_4_4_and_4_5_days_are_reserved_and_looked_at(books, canteen, open_page, javascript, size):
    page = open_page("roux", javascript=javascript, size=size)
    block(page, "Restauration – Les Réservations").get_by_role("link", name="Nouvelle réservation").click()

    # A day: chosen by a click, given up by another.
    click_day(page, "jeudi 12 novembre 2026, libre")
    expect(day(page, "jeudi 12 novembre 2026")).to_be_checked()
    click_day(page, "jeudi 12 novembre 2026, libre")
    expect(day(page, "jeudi 12 novembre 2026")).not_to_be_checked()

    # ❶ The usual days, in their dialog.
    page.get_by_role("link", name="Jours de fréquentation habituels").click()
    expect(page.get_by_role("dialog").get_by_label("Lundi")).to_be_checked()
    page.get_by_role("dialog").get_by_label("Mardi").uncheck()
    page.get_by_role("dialog").get_by_role("button", name="Valider").click()
    expect(day(page, "lundi 16 novembre 2026")).to_be_checked()
    expect(day(page, "mardi 17 novembre 2026")).not_to_be_checked()

    # ❷ All, none.
    page.get_by_role("button", name="Tout sélectionner").click()
    expect(day(page, "mardi 17 novembre 2026")).to_be_checked()
    page.get_by_role("button", name="Tout désélectionner").click()
    expect(day(page, "lundi 16 novembre 2026")).not_to_be_checked()

    # ❸ A week; ❹ a weekday; each again to give it up.
    week = page.get_by_role("button", name="Semaine 47")
    week.click()
    expect(day(page, "vendredi 20 novembre 2026")).to_be_checked()
    week.click()
    expect(day(page, "vendredi 20 novembre 2026")).not_to_be_checked()
    page.get_by_role("button", name="Jeudi").click()
    expect(day(page, "jeudi 19 novembre 2026")).to_be_checked()
    page.get_by_role("button", name="Jeudi").click()
    expect(day(page, "jeudi 19 novembre 2026")).not_to_be_checked()

    # Another month, by its arrow and by the list; the whole period, and back.
    page.get_by_role("button", name="décembre").first.click()
    page.get_by_role("button", name="Jeudi").click()
    expect(day(page, "jeudi 10 décembre 2026")).to_be_checked()
    page.get_by_role("button", name="Jeudi").click()
    expect(day(page, "jeudi 10 décembre 2026")).not_to_be_checked()
    page.get_by_role("button", name="Toute la période").click()
    december = page.locator("table").filter(has_text="décembre 2026")
    december.get_by_role("button", name="Jeudi").click()
    expect(day(page, "jeudi 19 novembre 2026")).to_be_checked()
    page.get_by_role("button", name="Tout désélectionner").click()
    page.get_by_role("button", name="Mois par mois").click()
    page.locator(".month-name summary").click()
    page.get_by_role("button", name="Novembre 2026").click()
    week.click()
    expect(page.get_by_text("5 jours choisis")).to_be_visible()

    # Validation, correction without loss, recording.
    go_on(page)
    expect(page.get_by_role("heading", name="Jours à réserver")).to_be_visible()
    page.get_by_role("link", name="Modifier").click()
    expect(day(page, "vendredi 20 novembre 2026")).to_be_checked()
    go_on(page)
    follow(page.get_by_role("button", name="Valider"))
    number = Reservation.objects.get().number
    expect(page.get_by_text(f"n° {number}")).to_be_visible()
    expect(page.get_by_text("À enregistrer")).to_be_visible()
    assert not Booking.objects.exists()
    page.get_by_role("button", name="Enregistrer").click()

    # In the list, then its detail.
    expect(page.get_by_role("status").first).to_contain_text("C'est enregistré")
    reservations = block(page, "Restauration – Les Réservations")
    row = reservations.get_by_role("listitem").filter(has_text=number)
    expect(row).to_contain_text("Acceptée")
    assert Booking.objects.accepted().count() == 5
    row.get_by_role("link", name="Consulter").click()
    expect(page.get_by_text("Vendredi 20 novembre 2026")).to_be_visible()
    page.get_by_role("link", name="Retour à l'accueil").last.click()
    expect(page.get_by_role("heading", name="Mon compte famille")).to_be_visible()

    # The legend, by pointing at it.
    reservations.get_by_text("Légende").hover()
    expect(reservations.get_by_text("En attente de traitement")).to_be_visible()


@EVERY_WAY
def test_part_4_6_a_day_is_cancelled_by_a_new_reservation(
    books, booked_thursday, open_page, javascript, size
):
    page = open_page("roux", javascript=javascript, size=size)
    reservations = block(page, "Restauration – Les Réservations")
    reservations.get_by_role("link", name="Demande d'annulation").click()
    click_day(page, "jeudi 12 novembre 2026, réservation acceptée")
    if javascript:
        expect(page.get_by_text("Confirmer la demande d'annulation ?")).to_be_visible()
        page.get_by_role("button", name="Non").click()
        expect(day(page, "jeudi 12 novembre 2026")).not_to_be_checked()
        click_day(page, "jeudi 12 novembre 2026, réservation acceptée")
        page.get_by_role("button", name="Oui").click()
    expect(day(page, "jeudi 12 novembre 2026")).to_be_checked()
    go_on(page)
    expect(page.get_by_role("heading", name="Jours à annuler")).to_be_visible()
    page.get_by_role("button", name="Valider").click()
    page.get_by_role("button", name="Enregistrer").click()

    latest = Reservation.objects.order_by("-pk").first()
    assert latest is not None
    assert latest.pk != booked_thursday.pk
    expect(reservations.get_by_role("listitem").filter(has_text=latest.number)).to_contain_text(
        "Lina, cantine : annulation du jeudi 12 novembre"
    )
    assert Booking.objects.get().state == BookingState.CANCELLED
    assert latest.state == ReservationState.ACCEPTED


@pytest.fixture
def booked_thursday(books, canteen, now) -> Reservation:
    """Lina eats on Thursday 12 November."""
    draft = reservation_drafts.choose(
        books.enrolment,
        canteen.restaurant,
        canteen.period,
        book={Choice(canteen.formula.pk, date(2026, 11, 12))},
        by=books.user,
        at=now,
    )
    assert draft is not None
    return booking.submit(draft, by=books.user, at=now)


def test_the_keyboard_is_enough(books, canteen, open_page):
    page = open_page("roux")
    page.goto(f"/cantine/planning/{books.enrolment.pk}/{canteen.restaurant.pk}/{canteen.period.pk}/")
    day(page, "jeudi 12 novembre 2026").focus()
    page.keyboard.press("Space")
    page.keyboard.press("ArrowRight")
    expect(day(page, "vendredi 13 novembre 2026")).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(day(page, "vendredi 20 novembre 2026")).to_be_focused()
    page.keyboard.press("Home")
    expect(day(page, "lundi 16 novembre 2026")).to_be_focused()
    page.keyboard.press("End")
    page.keyboard.press("Space")
    expect(day(page, "vendredi 20 novembre 2026")).to_be_checked()
    tab_stops = page.locator("table >> nth=0").locator('input[tabindex="0"]')
    expect(tab_stops).to_have_count(1)


def test_ticks_are_saved_as_one_goes(books, canteen, open_page):
    page = open_page("roux")
    address = f"/cantine/planning/{books.enrolment.pk}/{canteen.restaurant.pk}/{canteen.period.pk}/"
    page.goto(address)
    with page.expect_response(lambda answer: answer.request.method == "POST"):
        click_day(page, "jeudi 12 novembre 2026")
    page.goto("/")
    block(page, "Restauration – Les Réservations").get_by_role("link", name="Reprendre").click()
    expect(day(page, "jeudi 12 novembre 2026")).to_be_checked()


def test_a_full_day_offers_its_waiting_list(books, canteen, open_page, javascript):
    Slot.objects.filter(day=date(2026, 11, 12)).update(capacity=0)
    page = open_page("roux", javascript=javascript)
    page.goto(f"/cantine/planning/{books.enrolment.pk}/{canteen.restaurant.pk}/{canteen.period.pk}/")
    click_day(page, "jeudi 12 novembre 2026, complet, liste d'attente possible")
    go_on(page)
    expect(page.get_by_text("liste d'attente").first).to_be_visible()
    page.get_by_role("button", name="Valider").click()
    follow(page.get_by_role("button", name="Enregistrer"))
    assert Booking.objects.get().state == BookingState.WAITLISTED


def test_the_same_days_go_to_a_sibling_in_one_go(books, canteen, year, open_page, javascript):
    sibling = ChildFactory(first_name="Hugo", last_name="Roux", households=[books.household])
    EnrolmentFactory(
        household=books.household,
        child=sibling,
        activity=canteen.activity,
        establishment=canteen.restaurant,
        school_year=year,
    )
    page = open_page("roux", javascript=javascript)
    page.goto(f"/cantine/planning/{books.enrolment.pk}/{canteen.restaurant.pk}/{canteen.period.pk}/")
    click_day(page, "jeudi 12 novembre 2026")
    go_on(page)
    page.get_by_label("Hugo").check()
    page.get_by_role("button", name="Valider").click()
    follow(page.get_by_role("button", name="Enregistrer"))
    assert set(Booking.objects.accepted().values_list("child__first_name", "day")) == {
        ("Lina", date(2026, 11, 12)),
        ("Hugo", date(2026, 11, 12)),
    }
    assert Reservation.objects.count() == 2
