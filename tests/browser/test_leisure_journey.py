"""The guide, parts 5 to 5.6, by the names one sees."""

import re

import pytest
from playwright.sync_api import Page, expect

from portal.reservations.acts import booking, enrolling, reservation_drafts
from portal.reservations.acts.refusals import Choice
from portal.reservations.models import Booking, Enrolment, Reservation
from portal.reservations.states import BookingState, EnrolmentState, ReservationState
from tests.browser.conftest import EVERY_WAY
from tests.browser.journeys import block, choose, click_day, day, follow, go_on
from tests.factories import HealthFactory
from tests.leisure.cast import (
    MONDAY,
    MONDAY_AFTER,
    TUESDAY,
    WEDNESDAY,
    brother,
    centre,
    enrol,
    holidays,
    plays,
    wednesdays,
)

__all__ = ["brother", "centre", "enrol", "holidays", "plays", "wednesdays"]

pytestmark = pytest.mark.django_db(transaction=True)

ENROLMENTS = "Accueil de loisirs / Périscolaire – Les Inscriptions"
RESERVATIONS = "Accueil de loisirs / Périscolaire – Les Réservations"


def from_menu(page: Page, formula: str, option: str) -> None:
    menu = page.locator("details.formula-menu").filter(has=page.locator("summary", has_text=formula)).first
    menu.locator("summary").click()
    menu.get_by_text(option).click()


@EVERY_WAY
def test_part_5_1_and_5_2_a_child_is_enrolled_seen_and_left_unchanged(
    plays, brother, wednesdays, holidays, open_page, javascript, size, agent, now
):
    page = open_page("roux", javascript=javascript, size=size)
    block(page, ENROLMENTS).get_by_role("link", name="Nouvelle inscription").click()
    choose(page, "Hugo")
    expect(page.get_by_role("heading", name="Hugo Roux")).to_be_visible()
    page.get_by_role("button", name="Enregistrer").click()
    expect(page.get_by_role("alert").first).to_contain_text("Cochez au moins une activité")
    page.get_by_label("Mercredis").check()
    page.get_by_label("Vacances").check()
    page.get_by_role("button", name="Enregistrer").click()

    row = block(page, ENROLMENTS).get_by_role("listitem").filter(has_text="Hugo").first
    expect(row).to_contain_text("En attente de traitement")
    expect(row).to_contain_text("Mercredis et vacances")
    for enrolment in Enrolment.objects.filter(child=brother):
        assert enrolment.establishment == wednesdays.centre
        enrolling.accept(enrolment, by=agent, at=now)
    page.reload()
    expect(row).to_contain_text("Acceptées")

    row.get_by_text("Consulter / modifier").click()
    row.get_by_role("link", name="Mercredis").click()
    expect(page.get_by_role("heading", name="Hugo Roux")).to_be_visible()
    page.get_by_role("link", name="Quitter").click()
    expect(page.get_by_role("heading", name="Mon compte famille")).to_be_visible()
    assert set(Enrolment.objects.values_list("state", flat=True)) == {EnrolmentState.ACCEPTED}


@EVERY_WAY
def test_part_5_3_to_5_5_days_are_reserved_and_looked_at(
    plays, wednesdays, holidays, enrol, open_page, javascript, size
):
    enrol(plays, wednesdays)
    enrol(plays, holidays)
    page = open_page("roux", javascript=javascript, size=size)
    block(page, RESERVATIONS).get_by_role("link", name="Nouvelle réservation").click()

    # ❶ ❷ ❸; winter is not open yet, and says when it will be.
    page.get_by_label("Centre des Roseaux").check()
    expect(page.get_by_label("Vacances d'hiver 2027")).to_be_disabled()
    expect(page.get_by_text("à partir du lundi 14 décembre à 8 h")).to_be_visible()
    page.get_by_label("Vacances de Noël 2026").check()
    go_on(page)

    # A cell: chosen by a click, given up by another.
    click_day(page, "Matinée, lundi 21 décembre 2026, libre")
    expect(page.get_by_text("demande de réservation").and_(page.locator(":visible")).first).to_be_visible()
    click_day(page, "Matinée, lundi 21 décembre 2026, libre")
    expect(day(page, "Matinée, lundi 21 décembre 2026")).not_to_be_checked()

    # The week: by the list, by next and previous; choices of other weeks are kept.
    click_day(page, "Journée, mardi 22 décembre 2026")
    page.get_by_role("button", name="Semaine suivante").click()
    expect(day(page, "Journée, lundi 28 décembre 2026")).to_be_visible()
    click_day(page, "Repas, lundi 28 décembre 2026")
    page.get_by_role("button", name="Semaine précédente").click()
    expect(day(page, "Journée, mardi 22 décembre 2026")).to_be_checked()
    page.locator("summary", has_text="Semaine 52").click()
    page.get_by_role("button", name="Semaine 53, du 28 décembre au 1er janvier").click()
    expect(day(page, "Repas, lundi 28 décembre 2026")).to_be_checked()
    expect(page.get_by_text("2 jours choisis")).to_be_visible()

    # The menu of a formula.
    from_menu(page, "Matinée", "Sélectionner les jours affichés à l'écran")
    expect(page.get_by_text("6 jours choisis")).to_be_visible()
    from_menu(page, "Matinée", "Désélectionner uniquement les jours affichés à l'écran")
    expect(page.get_by_text("2 jours choisis")).to_be_visible()
    from_menu(page, "Après-midi", "Sélectionner les jours de la période")
    expect(page.get_by_text("9 jours choisis")).to_be_visible()  # Journée of that Tuesday gives way
    from_menu(page, "Après-midi", "Désélectionner tous les jours de la période")
    expect(page.get_by_text("1 jour choisi")).to_be_visible()
    from_menu(page, "Journée", "Sélection automatique des jours")
    dialog = page.get_by_role("dialog").and_(page.locator(":visible"))
    for weekday in ("Mercredi", "Jeudi", "Vendredi"):
        dialog.get_by_label(weekday).uncheck()
    dialog.get_by_label("Sur toute la période").check()
    dialog.get_by_role("button", name="Valider").click()
    expect(page.get_by_text("4 jours choisis")).to_be_visible()  # the meal of Monday 28 is in the day

    page.get_by_text("Légende").first.hover()
    expect(page.get_by_text("Pas encore ouvert").first).to_be_visible()

    # Validation, correction without loss, recording.
    go_on(page)
    expect(page.get_by_role("heading", name="Jours à réserver")).to_contain_text("(4)")
    page.get_by_role("link", name="Modifier").click()
    expect(page.get_by_text("4 jours choisis")).to_be_visible()
    go_on(page)
    follow(page.get_by_role("button", name="Valider"))
    reservation = Reservation.objects.get()
    expect(page.get_by_text(f"n° {reservation.number}")).to_be_visible()
    expect(page.get_by_text("Vacances de Noël 2026")).to_be_visible()
    expect(page.get_by_text("À enregistrer")).to_be_visible()
    page.get_by_role("button", name="Enregistrer").click()

    # In the list with its state, its detail, and back.
    row = block(page, RESERVATIONS).get_by_role("listitem").filter(has_text=reservation.number)
    expect(row).to_contain_text("En attente de traitement")
    assert set(Booking.objects.values_list("formula__name", "day", "state")) == {
        ("Journée", day, BookingState.REQUESTED)
        for day in (MONDAY, TUESDAY, MONDAY_AFTER, MONDAY_AFTER.replace(day=29))
    }
    row.get_by_role("link", name="Consulter").click()
    expect(page.get_by_text("Mardi 22 décembre 2026")).to_be_visible()
    page.get_by_role("link", name="Retour à l'accueil").last.click()
    expect(page.get_by_role("heading", name="Mon compte famille")).to_be_visible()


def booked(who, where, enrolment, now, days) -> Reservation:
    draft = reservation_drafts.choose(
        enrolment,
        where.centre,
        where.period,
        book={Choice(where.whole.pk, day) for day in days},
        by=who.user,
        at=now,
    )
    assert draft is not None
    return booking.submit(draft, by=who.user, at=now)


@EVERY_WAY
def test_part_5_6_days_are_cancelled_by_a_new_reservation(
    plays, wednesdays, enrol, open_page, javascript, size, now
):
    first = booked(plays, wednesdays, enrol(plays, wednesdays), now, [WEDNESDAY, WEDNESDAY.replace(day=25)])
    page = open_page("roux", javascript=javascript, size=size)
    block(page, RESERVATIONS).get_by_role("link", name="Demande d'annulation").click()
    page.get_by_label("Centre des Roseaux").check()
    page.get_by_label("Mercredis de novembre et décembre").check()
    go_on(page)

    page.locator("summary", has_text=re.compile("^\\s*Semaine")).click()
    page.get_by_role("button", name="Semaine 47").click()
    click_day(page, "Journée, mercredi 18 novembre 2026, réservation acceptée")
    if javascript:
        expect(page.get_by_text("Confirmer la demande d'annulation ?")).to_be_visible()
        page.get_by_role("button", name="Oui").click()
    expect(day(page, "Journée, mercredi 18 novembre 2026")).to_be_checked()
    click_day(page, "Journée, mercredi 18 novembre 2026")
    expect(day(page, "Journée, mercredi 18 novembre 2026")).not_to_be_checked()
    from_menu(page, "Journée", "Désélectionner uniquement les jours affichés à l'écran")
    expect(page.get_by_text("1 jour choisi")).to_be_visible()
    from_menu(page, "Journée", "Désélectionner tous les jours de la période")
    expect(page.get_by_text("2 jours choisis")).to_be_visible()

    go_on(page)
    expect(page.get_by_role("heading", name="Jours à annuler")).to_contain_text("(2)")
    page.get_by_role("button", name="Valider").click()
    follow(page.get_by_role("button", name="Enregistrer"))
    latest = Reservation.objects.order_by("-pk").first()
    assert latest is not None
    assert latest.pk != first.pk
    expect(block(page, RESERVATIONS).get_by_role("listitem").filter(has_text=latest.number)).to_contain_text(
        "Lina, mercredis : annulation de 2 jours de novembre"
    )
    assert latest.state == ReservationState.ACCEPTED
    assert set(Booking.objects.values_list("state", flat=True)) == {BookingState.CANCELLED}


@EVERY_WAY
def test_two_children_are_booked_side_by_side(plays, brother, wednesdays, enrol, open_page, javascript, size):
    mine = enrol(plays, wednesdays)
    enrol(plays, wednesdays, child=brother)
    page = open_page("roux", javascript=javascript, size=size)
    page.goto(f"/loisirs/planning/{mine.pk}/{wednesdays.centre.pk}/{wednesdays.period.pk}/?semaine=2026-W47")
    click_day(page, "Journée, mercredi 18 novembre 2026")
    page.get_by_role("button", name="Afficher aussi Hugo").click()
    expect(day(page, "Lina, Journée, mercredi 18 novembre 2026")).to_be_checked()
    click_day(page, "Hugo, Matinée, mercredi 18 novembre 2026")
    go_on(page)
    expect(page.get_by_role("heading", name="Et pour Hugo")).to_be_visible()
    page.get_by_role("button", name="Valider").click()
    page.get_by_role("button", name="Enregistrer").click()
    expect(page.get_by_role("heading", name="Mon compte famille")).to_be_visible()
    assert set(Booking.objects.values_list("child__first_name", "formula__name", "state")) == {
        ("Lina", "Journée", BookingState.ACCEPTED),
        ("Hugo", "Matinée", BookingState.ACCEPTED),
    }


def test_formulas_that_exclude_each_other_give_way_at_once(plays, wednesdays, enrol, open_page):
    mine = enrol(plays, wednesdays)
    page = open_page("roux")
    page.goto(f"/loisirs/planning/{mine.pk}/{wednesdays.centre.pk}/{wednesdays.period.pk}/?semaine=2026-W47")
    click_day(page, "Matinée, mercredi 18 novembre 2026")
    click_day(page, "Journée, mercredi 18 novembre 2026")
    expect(day(page, "Matinée, mercredi 18 novembre 2026")).not_to_be_checked()
    click_day(page, "Repas, mercredi 18 novembre 2026")
    expect(day(page, "Journée, mercredi 18 novembre 2026")).not_to_be_checked()


def test_a_wide_screen_shows_the_whole_period(plays, holidays, enrol, open_page, javascript):
    mine = enrol(plays, holidays)
    page = open_page("roux", javascript=javascript)
    page.goto(f"/loisirs/planning/{mine.pk}/{holidays.centre.pk}/{holidays.period.pk}/")
    click_day(page, "Journée, lundi 21 décembre 2026")
    page.get_by_role("button", name="Toute la période").click()
    expect(day(page, "Journée, lundi 21 décembre 2026")).to_be_checked()
    click_day(page, "Journée, lundi 28 décembre 2026")
    from_menu(page, "Repas", "Sélectionner les jours de la période")
    expect(page.get_by_text("8 jours choisis")).to_be_visible()
    page.get_by_role("button", name="Semaine par semaine").click()
    expect(day(page, "Repas, lundi 21 décembre 2026")).to_be_checked()
    expect(day(page, "Journée, lundi 21 décembre 2026")).not_to_be_checked()


def test_a_missing_health_file_is_said_and_leads_to_its_page(plays, wednesdays, enrol, open_page, javascript):
    wednesdays.activity.health_file_required = True
    wednesdays.activity.save()
    mine = enrol(plays, wednesdays)
    page = open_page("roux", javascript=javascript)
    address = f"/loisirs/planning/{mine.pk}/{wednesdays.centre.pk}/{wednesdays.period.pk}/?semaine=2026-W47"
    page.goto(address)
    click_day(page, "Journée, mercredi 18 novembre 2026")
    go_on(page)
    expect(page.get_by_role("link", name="Remplir la fiche sanitaire de Lina")).to_be_visible()
    expect(day(page, "Journée, mercredi 18 novembre 2026")).to_be_checked()
    HealthFactory(child=plays.child)
    go_on(page)
    expect(page.get_by_role("heading", name="Jours à réserver")).to_be_visible()


@EVERY_WAY
def test_another_formula_is_taken_in_one_act(plays, wednesdays, enrol, open_page, javascript, size, now):
    enrolment = enrol(plays, wednesdays)
    draft = reservation_drafts.choose(
        enrolment,
        wednesdays.centre,
        wednesdays.period,
        book=[Choice(wednesdays.morning.pk, WEDNESDAY)],
        by=plays.user,
        at=now,
    )
    assert draft is not None
    booking.submit(draft, by=plays.user, at=now)

    page = open_page("roux", javascript=javascript, size=size)
    page.goto(
        f"/loisirs/planning/{enrolment.pk}/{wednesdays.centre.pk}/{wednesdays.period.pk}/?semaine=2026-W47"
    )
    page.get_by_role("link", name=re.compile("^Changer pour… .*18 novembre 2026")).click()
    expect(page.get_by_role("group", name="Changer pour…")).to_be_visible()
    page.get_by_label("Journée").check()
    page.get_by_role("button", name="Enregistrer le changement").click()

    expect(page.get_by_text("C'est changé : Matinée → Journée")).to_be_visible()
    states = dict(Booking.objects.values_list("formula__name", "state"))
    assert states == {"Matinée": BookingState.CANCELLED, "Journée": BookingState.ACCEPTED}
