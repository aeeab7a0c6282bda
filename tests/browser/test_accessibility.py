"""Every page of a family, looked at by axe on a desk and on a phone, by day and by night."""

from datetime import date

import pytest
from django.test import Client
from playwright.sync_api import Page, Route

from portal.waiting import page as pages_of_line
from tests.billing.care import tax_pages
from tests.browser.looking import faults
from tests.conftest import NOW, PUBLIC_PAGES
from tests.factories import (
    PASSWORD,
    BookingFactory,
    CampaignFactory,
    DietChoiceFactory,
    SchoolYearFactory,
    UserFactory,
)
from tests.leisure.cast import MONDAY, WEDNESDAY, brother, centre, enrol, holidays, plays, value, wednesdays

__all__ = ["brother", "centre", "enrol", "holidays", "plays", "wednesdays"]

pytestmark = pytest.mark.django_db(transaction=True)


def walk(page: Page, addresses: list[str]) -> list[str]:
    """The faults of pages."""
    found = []
    for address in addresses:
        page.goto(address)
        found += faults(page)
    return found


def test_pages_of_a_family_have_no_barrier(pages, open_page):
    assert walk(open_page("roux"), pages) == []


@pytest.fixture
def leisure_pages(plays, brother, wednesdays, holidays, enrol) -> list[str]:
    """Leisure's own pages, for two children, with something on each."""
    mine, his = enrol(plays, holidays), enrol(plays, holidays, child=brother)
    booked = BookingFactory(enrolment=enrol(plays, wednesdays), formula=wednesdays.morning, day=WEDNESDAY)
    planning = f"/loisirs/planning/{mine.pk}/{holidays.centre.pk}/{holidays.period.pk}/"
    client = Client()
    client.force_login(plays.user)
    client.post(planning, {"version": "", "shown": "2026-W52", "book": [value(holidays.whole, MONDAY)]})
    later = SchoolYearFactory(name="2027-2028", starts_on=date(2027, 9, 1), ends_on=date(2028, 7, 3))
    CampaignFactory(school_year=later, opens_at=NOW)
    DietChoiceFactory(child=brother)
    return [
        "/",
        "/loisirs/inscription/",
        f"/loisirs/inscription/enfant/{brother.pk}/",
        f"/loisirs/inscriptions/{mine.pk}/",
        f"/loisirs/reservation/{mine.pk}/",
        f"/loisirs/reservation/{mine.pk}/?annulation",
        planning,
        f"{planning}?semaine=toutes",
        f"{planning}?avec={his.pk}",
        f"{planning}#auto-{holidays.whole.pk}",
        f"/loisirs/planning/{booked.enrolment_id}/{wednesdays.centre.pk}/{wednesdays.period.pk}/",
        f"/reservations/changer/{booked.pk}/",
        "/reservations/reinscrire/",
        f"/reservations/{mine.reservations.get().pk}/validation/",
    ]


def test_pages_of_leisure_have_no_barrier(leisure_pages, open_page):
    assert walk(open_page("roux"), leisure_pages) == []


def test_tax_certificates_have_no_barrier(books, open_page):
    addresses = tax_pages(books.household)
    assert walk(open_page("roux"), addresses) == []


def test_public_pages_have_no_barrier(town, open_page):
    assert walk(open_page(), PUBLIC_PAGES) == []


def test_pages_of_the_line_have_no_barrier(town, open_page):
    """As the gate answers them: whole, under a policy of their own that lets them ask for nothing else."""
    of_line, page = pages_of_line.compose(town), open_page()
    filled = {
        "ligne": of_line.line.fill({"place": "412", "wait": "environ 3 minutes", "again": "60"}),
        "complet": of_line.full.fill({"again": "60"}),
        "ouverture": of_line.opening.fill(
            {"name": "Vacances d'hiver", "hour": "8 h 30", "left": "3 min", "again": "60"}
        ),
    }
    headers = {"Content-Type": "text/html; charset=utf-8", "Content-Security-Policy": of_line.policy}

    def answer(route: Route) -> None:
        route.fulfill(status=503, headers=headers, body=filled[route.request.url.rpartition("/")[2]])

    page.route("**/*", answer)
    assert walk(page, [f"/{name}" for name in filled]) == []
    page.goto("/ligne")
    assert "412" in page.inner_text("main")


def test_pages_of_an_address_to_confirm_have_no_barrier(town, open_page):
    UserFactory(username="ines", verified_address=False)
    page = open_page()
    page.goto("/connexion/")
    page.fill("input[name=login]", "ines")
    page.fill("input[name=password]", PASSWORD)
    page.press("input[name=password]", "Enter")
    page.wait_for_url("**/creer-un-compte/verifiez-vos-messages/")
    sent, correct = "/creer-un-compte/verifiez-vos-messages/", "/creer-un-compte/corriger-mon-adresse/"
    assert "ines@example.org" in page.inner_text("main")
    assert walk(page, [sent, correct]) == []
    assert page.url.endswith(correct)


def test_every_page_of_the_list_answers(pages, books):
    client = Client()
    client.force_login(books.user)
    answers = {address: client.get(address.partition("#")[0]).status_code for address in pages}
    assert answers.pop("/nulle-part/") == 404
    assert set(answers.values()) == {200}, answers
