"""The town hall's desk in a real browser: under the strict policy, no page needs anything inline."""

from datetime import date

import pytest
from django.contrib.auth.models import Group
from django.urls import reverse
from playwright.sync_api import expect

from catering.models import Menu
from portal.reservations.models import Closure, Enrolment
from portal.reservations.states import EnrolmentState
from tests.factories import BookingFactory, HealthFactory

THURSDAY = date(2026, 11, 26)


@pytest.fixture
def desk(agent, books, waits, canteen):
    """Lina asks to be enrolled, Noé eats on Thursday."""
    agent.groups.add(Group.objects.get(name="Fiches sanitaires"))
    Enrolment.objects.filter(pk=books.enrolment.pk).update(state=EnrolmentState.REQUESTED)
    BookingFactory(enrolment=waits.enrolment, formula=canteen.formula, day=THURSDAY)
    HealthFactory(child=waits.child, has_pai=True, allergies="Arachides")
    Closure.objects.create(starts_on=date(2026, 12, 1), ends_on=date(2026, 12, 1))
    Menu.objects.create(restaurant=canteen.restaurant, day=THURSDAY)
    return canteen


def enter(open_page, **options):
    return open_page("agent", **options)


def test_every_kind_of_page_opens_without_complaint(desk, books, open_page):
    page = enter(open_page)
    slot = desk.slot(THURSDAY)
    for url in [
        reverse("admin:index"),
        reverse("admin:reservations_enrolment_changelist"),
        reverse("admin:reservations_enrolment_change", args=[books.enrolment.pk]),
        reverse("admin:reservations_enrolment_history", args=[books.enrolment.pk]),
        reverse("admin:reservations_reservation_changelist"),
        reverse("admin:reservations_reservationline_changelist"),
        reverse("admin:reservations_booking_changelist"),
        reverse("admin:reservations_slot_changelist"),
        reverse("admin:reservations_slot_change", args=[slot.pk]),
        reverse("admin:reservations_activity_change", args=[desk.activity.pk]),
        reverse("admin:reservations_period_add"),
        reverse("admin:reservations_closure_add"),
        reverse("admin:reservations_closure_delete", args=[Closure.objects.get().pk]),
        reverse("admin:reservations_schooling_add"),
        reverse("admin:families_household_change", args=[books.household.pk]),
        reverse("admin:families_child_change", args=[books.child.pk]),
        reverse("admin:catering_menu_change", args=[Menu.objects.get().pk]),
        reverse("admin:catering_menu_import"),
        reverse("admin:catering_kitchen"),
    ]:
        answer = page.goto(url)
        assert answer is not None and answer.status == 200, url


def test_an_agent_refuses_a_request_with_a_ready_reason(desk, books, open_page, javascript):
    page = enter(open_page, javascript=javascript)
    page.goto("/mairie/")
    page.get_by_role("link", name="Inscriptions à traiter").click()
    page.get_by_role("link", name="Lina Roux").click()
    page.get_by_role("button", name="Refuser…").click()
    page.get_by_role("button", name="Refuser et prévenir les familles").click()
    expect(page.get_by_text("Indiquez le motif : la famille le lira.")).to_be_visible()
    page.get_by_label("Il n'y a plus de place dans cet établissement.").check()
    page.get_by_role("button", name="Refuser et prévenir les familles").click()
    expect(page.get_by_text("1 inscription refusée.")).to_be_visible()
    books.enrolment.refresh_from_db()
    assert books.enrolment.refusal_reason == "Il n'y a plus de place dans cet établissement."


def test_filters_are_menus_that_escape_closes(desk, open_page):
    page = enter(open_page)
    page.goto(reverse("admin:reservations_enrolment_changelist"))
    menu = page.locator("summary", has_text="État")
    menu.click()
    expect(page.get_by_role("link", name="Tous")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("link", name="Tous")).to_be_hidden()
    expect(menu).to_be_focused()
    menu.click()
    page.get_by_role("link", name="Tous").click()
    expect(page.get_by_role("link", name="Noé Petit")).to_be_visible()


def test_a_closure_is_confirmed_before_anybody_is_told(desk, open_page):
    page = enter(open_page)
    page.goto(reverse("admin:reservations_closure_add"))
    for label in ("Du", "Au"):
        page.get_by_label(label, exact=False).and_(page.locator("input.vDateField")).first.fill("")
    page.locator("#id_starts_on").fill("26/11/2026")
    page.locator("#id_ends_on").fill("26/11/2026")
    page.get_by_role("button", name="Enregistrer", exact=True).click()
    expect(page.get_by_text("1 réservation sera annulée sans frais, 1 famille sera prévenue")).to_be_visible()
    page.get_by_role("button", name="Confirmer la fermeture").click()
    expect(page.get_by_text("1 réservation annulée sans frais")).to_be_visible()


def test_the_establishment_is_found_by_typing(desk, open_page):
    page = enter(open_page)
    page.goto(reverse("admin:reservations_closure_add"))
    page.locator(".field-establishment .select2-selection").click()
    page.locator(".select2-search__field").fill("verg")
    page.get_by_role("option", name="Restaurant du Verger").click()
    expect(page.locator(".field-establishment .select2-selection__rendered")).to_contain_text("Verger")
