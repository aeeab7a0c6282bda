"""The leisure service's desk in a real browser: opening holidays, answering requests, registers."""

from datetime import date
from functools import partial

import pytest
from playwright.sync_api import Page, expect

from portal.reservations.models import Booking, Period, Slot
from portal.reservations.states import BookingState
from tests.browser.looking import faults
from tests.conftest import family
from tests.factories import AuthorisedPersonFactory, CapacityFactory, HealthFactory, SchoolHolidayFactory
from tests.leisure.desk_cast import MONDAY, asks_for, camp

__all__ = ["asks_for", "camp"]

pytestmark = pytest.mark.django_db(transaction=True)
CENTRES = "/mairie/leisure/centre/"


@pytest.fixture
def requests(camp, asks_for, town, agent):
    """Alma, then Basile ask for the one place of a Monday; winter holidays stand in the calendar."""
    SchoolHolidayFactory(
        zone=town.zone, name="Vacances d'hiver", starts_on=date(2027, 2, 6), ends_on=date(2027, 2, 21)
    )
    CapacityFactory(activity=camp.activity, establishment=camp.centre, part="morning", places=40)
    families = [family("ana", "Ana", "Alma"), family("bo", "Bo", "Basile")]
    for who in families:
        asks_for(who, MONDAY)
        AuthorisedPersonFactory(child=who.child)
    HealthFactory(child=families[0].child, has_pai=True)
    return families


@pytest.fixture
def enter(open_page, requests):
    return partial(open_page, "agent")


def to_places(page: Page) -> None:
    page.goto(f"{CENTRES}ouvrir/")
    page.get_by_label("Activité").select_option(label="Vacances (jours de classe)")
    page.get_by_label("Vacances du calendrier").select_option(
        label="Vacances d'hiver, du 6 au 21 février 2027"
    )
    page.get_by_role("button", name="Suivant").click()


def to_preview(page: Page) -> None:
    to_places(page)
    page.get_by_label("Centre des Roseaux, matin").fill("24")
    page.get_by_label("Ouvre le").fill("2026-12-01T08:00")
    page.get_by_role("button", name="Aperçu").click()


def test_an_agent_opens_the_winter_holidays(enter, camp, javascript):
    camp.activity.during = "holidays"
    camp.activity.save()
    page = enter(javascript=javascript)
    page.goto(CENTRES)
    page.get_by_role("link", name="Ouvrir une période").click()
    page.get_by_label("Activité").select_option(label="Vacances (vacances scolaires)")
    page.get_by_label("Vacances du calendrier").select_option(
        label="Vacances d'hiver, du 6 au 21 février 2027"
    )
    page.get_by_role("button", name="Suivant").click()
    expect(page.get_by_label("Centre des Roseaux, matin")).to_have_value("40")
    page.get_by_label("Centre des Roseaux, matin").fill("24")
    page.get_by_role("button", name="Aperçu").click()
    page.get_by_role("button", name="Retour").click()
    expect(page.get_by_label("Centre des Roseaux, matin")).to_have_value("24")
    page.get_by_role("button", name="Aperçu").click()
    page.get_by_role("button", name="Ouvrir la période").click()
    expect(page.get_by_text("« Vacances d'hiver 2027 » est ouverte : 20 créneaux ouverts.")).to_be_visible()
    period = Period.objects.get(code="vacances-dhiver-2027")
    opened = Slot.objects.filter(day__range=(period.starts_on, period.ends_on))
    assert set(opened.filter(part="morning").values_list("capacity", flat=True)) == {24}


def test_an_agent_grants_places_in_an_order(enter, requests, javascript):
    page = enter(javascript=javascript)
    page.goto(f"{CENTRES}demandes/")
    page.get_by_label("Ordre").select_option(label="Commune d'abord")
    page.get_by_role("button", name="Afficher").click()
    page.get_by_role("button", name="Accepter les jours cochés…").click()
    expect(page.get_by_text("1 sur 2").first).to_be_visible()
    page.get_by_role("button", name="Confirmer et prévenir les familles").click()
    expect(page.get_by_text("1 jour accepté, 1 en liste d'attente")).to_be_visible()
    states = dict(Booking.objects.values_list("child__first_name", "state"))
    assert states == {"Alma": BookingState.ACCEPTED, "Basile": BookingState.WAITLISTED}
    page.goto(f"{CENTRES}registres/?jour={MONDAY.isoformat()}")
    expect(page.get_by_role("row", name="Ana Alma")).to_be_visible()
    expect(page.get_by_role("row", name="Bo Basile")).to_have_count(0)


def test_the_pages_have_no_barrier(enter, requests, camp):
    page = enter()
    found = []

    def look(heading: str) -> None:
        expect(page.get_by_role("heading", name=heading).first).to_be_visible()
        found.extend(faults(page))

    page.goto(f"{CENTRES}ouvrir/")
    look("Ouvrir des vacances ou une période")
    to_places(page)
    look("Places par jour")
    to_preview(page)
    look("Centre des Roseaux")
    page.goto(f"{CENTRES}demandes/")
    look("Départager les demandes")
    page.get_by_role("button", name="Refuser les jours cochés…").click()
    look("Refuser des demandes")
    page.goto(f"{CENTRES}demandes/")
    page.get_by_role("button", name="Accepter les jours cochés…").click()
    look("Accepter des demandes")
    page.get_by_role("button", name="Confirmer et prévenir les familles").click()
    expect(page.get_by_text("1 jour accepté, 1 en liste d'attente")).to_be_visible()
    page.goto(f"{CENTRES}registres/?jour={MONDAY.isoformat()}")
    look("Registres de présence")
    assert found == []
