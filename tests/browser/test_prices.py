"""While days are chosen, the total follows the ticks at once, and without JavaScript after each save."""

import random
from datetime import date, timedelta

import pytest
from playwright.sync_api import expect

from billing.models import FormulaTariff, Tariff, TariffBand
from portal.reservations.models import ActivityDeadline, Reservation, ReservationLine
from tests.browser.conftest import PHONE, WIDE
from tests.browser.journeys import go_on
from tests.factories import BookingFactory
from tests.leisure.cast import WEDNESDAY, centre, enrol, plays, wednesdays

__all__ = ["centre", "enrol", "plays", "wednesdays"]

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def meal_price(canteen) -> Tariff:
    """Every meal costs 3.20 €."""
    tariff = Tariff.objects.create(code="repas", name="Repas", valid_from=date(2026, 9, 1))
    TariffBand.objects.create(tariff=tariff, low=0, high=None, prices={"": "3.20"})
    FormulaTariff.objects.create(formula=canteen.formula, tariff=tariff)
    return tariff


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_the_total_follows_the_ticks(books, canteen, meal_price, open_page, size):
    page = open_page(books.user.username, size=size)
    page.goto(f"/cantine/planning/{books.enrolment.pk}/{canteen.restaurant.pk}/{canteen.period.pk}/")
    bar = page.locator("[data-count]")
    expect(bar).to_have_text("Aucun jour choisi")
    for day, said in (("jeudi 19", "1 jour choisi · 3,20 €"), ("vendredi 20", "2 jours choisis · 6,40 €")):
        page.get_by_role("checkbox", name=f"{day} novembre 2026, libre, 3,20 €").check()
        expect(bar).to_have_text(said)
    page.get_by_role("checkbox", name="vendredi 20 novembre 2026").uncheck()
    expect(bar).to_have_text("1 jour choisi · 3,20 €")
    go_on(page)
    expect(page.get_by_text("Total estimé des jours à réserver : 3,20 €")).to_be_visible()
    page.wait_for_load_state()  # its style sheets too
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_without_javascript_the_server_counts(books, canteen, meal_price, open_page):
    page = open_page(books.user.username, javascript=False)
    page.goto(f"/cantine/planning/{books.enrolment.pk}/{canteen.restaurant.pk}/{canteen.period.pk}/")
    page.get_by_role("button", name="Semaine 47").click()
    expect(page.locator("[data-count]")).to_have_text("5 jours choisis · 16,00 €")
    assert Reservation.objects.drafts().get().lines.count() == 5


def test_the_first_late_days_of_a_month_bear_no_surcharge(books, canteen, meal_price, open_page):
    ActivityDeadline.objects.filter(activity=canteen.activity, action="book").update(
        late="accept", surcharge="add", surcharge_amount=2, free_late_a_month=2
    )
    canteen.rule.number = 30  # days before: all of November is late
    canteen.rule.save()
    page = open_page(books.user.username)
    page.goto(f"/cantine/planning/{books.enrolment.pk}/{canteen.restaurant.pk}/{canteen.period.pk}/")
    bar = page.locator("[data-count]")
    for day, said in (
        ("jeudi 19", "1 jour choisi · 3,20 € · dont 1 hors délai"),
        ("vendredi 20", "2 jours choisis · 6,40 € · dont 2 hors délai"),
        ("lundi 23", "3 jours choisis · 11,60 € · dont 3 hors délai"),
    ):
        page.get_by_role("checkbox", name=f"{day} novembre 2026").check()
        expect(bar).to_have_text(said)
    page.get_by_role("checkbox", name="jeudi 19 novembre 2026").uncheck()
    expect(bar).to_have_text("2 jours choisis · 6,40 € · dont 2 hors délai")
    page.get_by_role("checkbox", name="jeudi 19 novembre 2026").check()
    go_on(page)
    expect(page.get_by_text("Total estimé des jours à réserver : 11,60 €")).to_be_visible()
    page.get_by_role("link", name="Modifier").click()
    expect(bar).to_have_text("3 jours choisis · 11,60 € · dont 3 hors délai")
    page.get_by_role("checkbox", name="vendredi 20 novembre 2026").uncheck()
    expect(bar).to_have_text("2 jours choisis · 6,40 € · dont 2 hors délai")


def test_the_browser_counts_what_the_server_counts(books, canteen, meal_price, open_page):
    """Late days of two months, two of which are forgiven in each, at prices that change on 1 December."""
    quarter = date(2026, 12, 1)
    Tariff.objects.filter(pk=meal_price.pk).update(valid_to=quarter - timedelta(days=1))
    dearer = Tariff.objects.create(code="repas-2", name="Repas", valid_from=quarter)
    TariffBand.objects.create(tariff=dearer, low=0, high=None, prices={"": "4.15"})
    FormulaTariff.objects.create(formula=canteen.formula, tariff=dearer)
    ActivityDeadline.objects.filter(activity=canteen.activity, action="book").update(
        late="accept", surcharge="multiply", surcharge_amount="1.5", free_late_a_month=2
    )
    BookingFactory(enrolment=books.enrolment, day=date(2026, 11, 19), late=True)
    canteen.rule.number = 25  # days before: days until 4 December are late
    canteen.rule.save()
    page = open_page(books.user.username)
    page.goto(
        f"/cantine/planning/{books.enrolment.pk}/{canteen.restaurant.pk}/{canteen.period.pk}/?mois=toutes"
    )
    bar = page.locator("[data-count]")
    days = [
        date(2026, month, day)
        for month, found in ((11, (20, 23, 24)), (12, (1, 2, 3, 4, 8)))
        for day in found
    ]
    box = 'input[name="book"][value$=":{}"]'
    choices = random.Random("late days")
    for _ in range(6):
        chosen = [day for day in days if choices.random() < 0.7]
        for day in days:
            page.locator(box.format(day.isoformat())).set_checked(day in chosen)
        said = bar.inner_text()
        kept = ReservationLine.objects.filter(reservation__state="draft").values_list("day", flat=True)
        for _ in range(50):  # saved as one goes
            if set(kept.all()) == set(chosen):
                break
            page.wait_for_timeout(100)
        page.reload()
        expect(bar).to_have_text(said)


def test_late_days_of_two_weeks_share_what_their_month_forgives(plays, wednesdays, enrol, rule, open_page):
    """One late morning of November bears no surcharge: the first one chosen, in whichever week it is."""
    tariff = Tariff.objects.create(code="mercredis", name="Mercredis", valid_from=date(2026, 9, 1))
    TariffBand.objects.create(tariff=tariff, low=0, high=None, prices={"": "8"})
    FormulaTariff.objects.create(formula=wednesdays.morning, tariff=tariff)
    ActivityDeadline.objects.filter(activity=wednesdays.activity, action="book").update(
        late="accept", surcharge="add", surcharge_amount=2, free_late_a_month=1
    )
    rule.number = 30
    rule.save()
    enrolment = enrol(plays, wednesdays)
    page = open_page(plays.user.username)
    page.goto(
        f"/loisirs/planning/{enrolment.pk}/{wednesdays.centre.pk}/{wednesdays.period.pk}/?semaine=2026-W48"
    )
    bar = page.locator("[data-count]")

    def morning(day):
        return page.get_by_role("checkbox", name=f"Matinée, mercredi {day} novembre 2026")

    morning(25).check()
    expect(bar).to_have_text("1 jour choisi · 8,00 € · dont 1 hors délai")
    page.get_by_role("button", name="Semaine précédente").click()
    expect(bar).to_have_text("1 jour choisi · 8,00 € · dont 1 hors délai")
    morning(WEDNESDAY.day).check()
    expect(bar).to_have_text("2 jours choisis · 18,00 € · dont 2 hors délai")
    page.get_by_role("button", name="Semaine suivante").click()
    expect(morning(25)).to_be_visible()
    page.get_by_role("button", name="Semaine précédente").click()
    expect(bar).to_have_text("2 jours choisis · 18,00 € · dont 2 hors délai")
    morning(WEDNESDAY.day).uncheck()
    expect(bar).to_have_text("1 jour choisi · 8,00 € · dont 1 hors délai")
    morning(WEDNESDAY.day).check()
    go_on(page)
    expect(page.get_by_text("Total estimé des jours à réserver : 18,00 €")).to_be_visible()
