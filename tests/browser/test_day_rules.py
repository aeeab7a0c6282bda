"""« Semaine du 16 novembre : 2 jours cochés, il en faut 3 »: while one ticks, and without JavaScript."""

import pytest
from playwright.sync_api import expect

from portal.reservations.models import Booking, DayRule
from tests.browser.conftest import PHONE, WIDE
from tests.browser.journeys import go_on
from tests.browser.looking import overflow, resize, violations

pytestmark = pytest.mark.django_db(transaction=True)

TWO = "Semaine du 16 novembre : 2 jours cochés, il en faut 3."


@pytest.fixture
def planning(books, canteen):
    DayRule.objects.create(activity=canteen.activity, least=3, least_with_holiday=2)
    return f"/cantine/planning/{books.enrolment.pk}/{canteen.restaurant.pk}/{canteen.period.pk}/"


def day(page, name):
    return page.get_by_role("checkbox", name=f"{name} novembre 2026")


def test_days_are_counted_while_one_ticks(books, planning, open_page):
    page = open_page(books.user.username)
    page.goto(planning)
    expect(page.get_by_text("Au moins 3 jours par semaine, 2 quand un jour est férié.")).to_be_visible()
    counts = page.locator("[data-day-counts]")
    expect(counts).to_be_hidden()
    day(page, "lundi 16").check()
    day(page, "mardi 17").check()
    expect(counts).to_have_text(TWO)
    for size in (WIDE, PHONE):
        resize(page, size)
        assert not overflow(page)
        assert not violations(page)
    day(page, "vendredi 20").check()
    expect(counts).to_be_hidden()
    go_on(page)
    page.get_by_role("button", name="Valider").click()
    page.get_by_role("button", name="Enregistrer").click()
    expect(page.get_by_role("heading", name="Mon compte famille")).to_be_visible()
    assert Booking.objects.count() == 3


def test_without_javascript_the_server_counts(books, planning, open_page):
    page = open_page(books.user.username, javascript=False)
    page.goto(planning)
    day(page, "lundi 16").check()
    day(page, "mardi 17").check()
    page.get_by_role("button", name="Suivant").last.click()
    expect(page.locator("[data-day-counts]")).to_have_text(TWO)
    expect(page.get_by_role("heading", name="Réserver pour")).to_be_visible()
    expect(day(page, "lundi 16")).to_be_checked()
